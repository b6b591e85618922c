//! A fixture as read from its file.
//!
//! Owns: the shape of fixtures, steps and actions. Whatever a fixture says that is not known here is an error,
//! so that a new kind of action cannot be passed over.
//! Source: `js-client-fixtures/README.md`, "A fixture".

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::seen::{Seen, unhex};

/// One recorded dialogue.
#[derive(Debug)]
pub struct Fixture {
    /// What reports call it; the path of its file below the fixtures' folder.
    pub name: String,
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// Actions, and what everyone then sees until all is quiet.
#[derive(Debug)]
pub struct Step {
    /// The step in words, if the recording has them.
    pub say: Option<String>,
    /// The actions, in order.
    pub actions: Vec<Action>,
    /// What each client sees; a client that is not named sees nothing.
    pub see: BTreeMap<String, Vec<Seen>>,
}

/// One action of one client.
#[derive(Debug)]
pub struct Action {
    /// Who acts; [`NOBODY`] where a plain HTTP request names no client, and nobody sees its answer.
    pub client: String,
    /// What is done.
    pub deed: Deed,
}

/// What a client does.
#[derive(Debug)]
pub enum Deed {
    /// Open a WebSocket at this path and query.
    Connect { path: String, headers: Vec<(String, String)> },
    /// Do something on the open WebSocket.
    OnSocket(SocketDeed),
    /// Cut the TCP connection without closing the WebSocket.
    Drop,
    /// A plain HTTP request.
    Http(Request),
}

/// What a client does on its open WebSocket.
#[derive(Debug)]
pub enum SocketDeed {
    /// Send these text frames at once, byte for byte.
    Send(Vec<String>),
    /// Send a binary frame.
    SendBinary(Vec<u8>),
    /// Send a ping.
    Ping(Vec<u8>),
    /// Close it with this code.
    Close(u16),
}

/// A plain HTTP request. `{token}` in it stands for the last long-poll token received.
#[derive(Debug)]
pub struct Request {
    /// Any method, in upper case.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body, if it has one.
    pub body: Option<String>,
}

/// The client of an action that names none.
pub const NOBODY: &str = "(nobody)";

impl Fixture {
    /// Reads a fixture.
    ///
    /// # Errors
    /// Says what is not as the README describes it.
    pub fn read(name: &str, fixture: &Value) -> Result<Self, String> {
        let fixture = Fields::of(fixture, &["name", "about", "runs", "mask_token", "steps"])?;
        let steps = fixture.needed("steps")?.as_array().ok_or("steps is no list")?;
        let steps = steps.iter().map(Step::read).collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), steps })
    }
}

impl Step {
    fn read(step: &Value) -> Result<Self, String> {
        let step = Fields::of(step, &["say", "do", "see"])?;
        let actions = match step.needed("do")? {
            Value::Array(actions) => actions.iter().map(Action::read).collect::<Result<_, _>>()?,
            action => vec![Action::read(action)?],
        };
        let sights = |(client, sights): (&String, &Value)| {
            let sights = sights.as_array().ok_or_else(|| format!("see {client} is no list"))?;
            Ok((client.clone(), sights.iter().map(Seen::recorded).collect::<Result<_, _>>()?))
        };
        let see = step.needed("see")?.as_object().ok_or("see is no object")?;
        let see = see.iter().map(sights).collect::<Result<_, String>>()?;
        Ok(Self { say: step.text("say")?, actions, see })
    }
}

impl Action {
    fn read(action: &Value) -> Result<Self, String> {
        let names = ["headers", "subprotocols", "path", "body", "client"].into_iter().chain(DEEDS);
        let fields = Fields::of(action, &names.collect::<Vec<_>>())?;
        let mut deeds = DEEDS.into_iter().filter(|deed| fields.0.contains_key(*deed));
        let (Some(deed), None) = (deeds.next(), deeds.next()) else {
            return Err(format!("not one known action: {action}"));
        };
        let client = fields.text("client")?;
        if client.is_none() && deed != "http" {
            return Err(format!("an action without a client: {action}"));
        }
        Ok(Self { client: client.unwrap_or_else(|| NOBODY.to_owned()), deed: Deed::read(deed, &fields)? })
    }
}

impl Deed {
    fn read(deed: &str, fields: &Fields<'_>) -> Result<Self, String> {
        Ok(match deed {
            "connect" => Self::Connect { path: fields.needed_text(deed)?, headers: fields.headers()? },
            "http" => Self::Http(Request {
                method: fields.needed_text(deed)?,
                path: fields.needed_text("path")?,
                headers: fields.headers()?,
                body: fields.0.get("body").map(as_sent),
            }),
            "drop" if fields.needed(deed)? == true => Self::Drop,
            _ => Self::OnSocket(SocketDeed::read(deed, fields)?),
        })
    }
}

impl SocketDeed {
    fn read(deed: &str, fields: &Fields<'_>) -> Result<Self, String> {
        let value = fields.needed(deed)?;
        Ok(match deed {
            "send" => Self::Send(vec![value.to_string()]),
            "send_all" => {
                let frames = value.as_array().ok_or("send_all is no list")?;
                Self::Send(frames.iter().map(Value::to_string).collect())
            }
            "send_text" => Self::Send(vec![fields.needed_text(deed)?]),
            "send_binary" => Self::SendBinary(unhex(&fields.needed_text(deed)?)?),
            "ping" => Self::Ping(unhex(&fields.needed_text(deed)?)?),
            "close" => {
                let code = value.as_u64().and_then(|code| u16::try_from(code).ok());
                Self::Close(code.ok_or_else(|| format!("not a close code: {value}"))?)
            }
            _ => return Err(format!("not known: {deed} {value}")),
        })
    }
}

impl Request {
    /// The request with this token filled in; in the path and query it is percent-encoded.
    pub fn with_token(&self, token: &str) -> Self {
        let in_path = utf8_percent_encode(token, NON_ALPHANUMERIC).to_string();
        let fill = |text: &String| text.replace(TOKEN, token);
        Self {
            method: self.method.clone(),
            path: self.path.replace(TOKEN, &in_path),
            headers: self.headers.iter().map(|(name, value)| (name.clone(), fill(value))).collect(),
            body: self.body.as_ref().map(fill),
        }
    }
}

/// The fields of a JSON object whose names are all known.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn of(value: &'a Value, known: &[&str]) -> Result<Self, String> {
        let fields = value.as_object().ok_or_else(|| format!("no object: {value}"))?;
        match fields.keys().find(|key| !known.contains(&key.as_str())) {
            Some(unknown) => Err(format!("unknown field {unknown:?} in {value}")),
            None => Ok(Self(fields)),
        }
    }

    fn needed(&self, name: &str) -> Result<&'a Value, String> {
        self.0.get(name).ok_or_else(|| format!("{name} is missing"))
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(format!("{name} is no text: {other}")),
        }
    }

    fn needed_text(&self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| format!("{name} is missing"))
    }

    /// `headers` (name to value) and `subprotocols` (a list), as header lines.
    fn headers(&self) -> Result<Vec<(String, String)>, String> {
        let text =
            |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| format!("no text: {value}"));
        let mut lines = vec![];
        if let Some(headers) = self.0.get("headers") {
            for (name, value) in headers.as_object().ok_or("headers is no object")? {
                lines.push((name.clone(), text(value)?));
            }
        }
        if let Some(subprotocols) = self.0.get("subprotocols") {
            let names = subprotocols.as_array().ok_or("subprotocols is no list")?.iter().map(text);
            let names = names.collect::<Result<Vec<_>, _>>()?;
            lines.push(("sec-websocket-protocol".to_owned(), names.join(", ")));
        }
        Ok(lines)
    }
}

/// A body as it goes out: text as it is, any other JSON as its text.
fn as_sent(body: &Value) -> String {
    body.as_str().map_or_else(|| body.to_string(), str::to_owned)
}

const TOKEN: &str = "{token}";

const DEEDS: [&str; 9] =
    ["connect", "send", "send_all", "send_text", "send_binary", "close", "drop", "ping", "http"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn action(action: Value) -> Result<Action, String> {
        Action::read(&action)
    }

    #[test]
    fn one_action_or_a_list_of_them_is_read() {
        let ping = json!({"client": "a", "ping": "cafe"});
        for (deeds, count) in [(ping.clone(), 1), (json!([ping, ping]), 2)] {
            let fixture = json!({"name": "n", "steps": [{"do": deeds, "see": {"a": [{"pong": "cafe"}]}}]});
            let fixture = Fixture::read("n", &fixture).expect("it is well-formed");
            assert_eq!(fixture.steps[0].actions.len(), count);
            assert_eq!(fixture.steps[0].see["a"], [Seen::Pong("cafe".to_owned())]);
        }
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for unknown in [
            json!({"client": "a", "shout": 1}),
            json!({"client": "a", "send": [], "close": 1000}),
            json!({"client": "a", "send": [], "later": true}),
            json!({"client": "a", "drop": false}),
            json!({"send": []}),
        ] {
            assert!(action(unknown.clone()).is_err(), "{unknown}");
        }
    }

    #[test]
    fn a_plain_http_request_needs_no_client() {
        let action = action(json!({"http": "GET", "path": "/disconnect/1"})).expect("it is well-formed");
        assert_eq!(action.client, NOBODY);
    }

    #[test]
    fn a_text_body_goes_out_as_it_is_and_json_as_its_text() {
        assert_eq!(as_sent(&json!("{nope")), "{nope");
        assert_eq!(as_sent(&json!(["1", null])), r#"["1",null]"#);
    }

    #[test]
    fn the_token_is_filled_in_everywhere_and_encoded_in_the_path() {
        let action = action(json!({
            "client": "a",
            "http": "POST",
            "path": "/longpoll?token={token}",
            "headers": {"x-phoenix-longpoll-token": "{token}"},
            "body": "{token}",
        }));
        let Ok(Action { deed: Deed::Http(request), .. }) = action else {
            panic!("it is well-formed: {action:?}");
        };
        let request = request.with_token("a+b");
        assert_eq!(request.path, "/longpoll?token=a%2Bb");
        assert_eq!(request.headers[0].1, "a+b");
        assert_eq!(request.body.as_deref(), Some("a+b"));
    }

    #[test]
    fn subprotocols_are_one_header() {
        let action = action(json!({"client": "a", "connect": "/", "subprotocols": ["phoenix", "x"]}));
        let Ok(Action { deed: Deed::Connect { headers, .. }, .. }) = action else {
            panic!("it is well-formed: {action:?}");
        };
        assert_eq!(headers, [("sec-websocket-protocol".to_owned(), "phoenix, x".to_owned())]);
    }
}
