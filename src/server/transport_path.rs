//! Which transport a path is of.
//!
//! Rule: Plug takes a path for its segments, and empty ones do not count; an escape is not resolved. So it is reached
//! behind a proxy that puts one slash too many between its prefix and the rest.

use crate::channel::Transport;

/// The transport whose path this is, letter by letter but for empty segments, where the transports are under `mount`.
pub(super) fn transport(mount: &str, path: &str) -> Option<Transport> {
    let mut path = segments(path);
    for expected in segments(mount) {
        path.next().filter(|segment| *segment == expected)?;
    }
    let transport = match path.next()? {
        "websocket" => Transport::WebSocket,
        "longpoll" => Transport::LongPoll,
        _ => return None,
    };
    path.next().is_none().then_some(transport)
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_segments_do_not_count_and_all_else_does() {
        for path in ["/socket/websocket", "/socket//websocket", "//socket/websocket", "/socket/websocket/"] {
            assert_eq!(transport("/socket", path), Some(Transport::WebSocket), "{path}");
            assert_eq!(transport("socket/", path), Some(Transport::WebSocket), "{path}");
        }
        assert_eq!(transport("/a/b", "/a//b/longpoll"), Some(Transport::LongPoll));
        assert_eq!(transport("/", "/longpoll"), Some(Transport::LongPoll));
        for path in [
            "/",
            "/socket",
            "/websocket",
            "/socket/%77ebsocket",
            "/socket/./websocket",
            "/socket/../socket/websocket",
            "/Socket/websocket",
            "/socket/websocket/x",
            "/socket/longpolls",
        ] {
            assert_eq!(transport("/socket", path), None, "{path}");
        }
    }
}
