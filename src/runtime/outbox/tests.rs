//! What waits, who is woken for it, and who writes it.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Wake;

use super::*;
use crate::wire::websocket::{self, DataKind, Part};
use crate::wire::{Field, SharedPayload, Vsn};

fn outbox() -> Outbox {
    Outbox::new(1000, Arc::new(Counters::new()))
}

fn put(outbox: &Outbox, bytes: usize) {
    outbox.send(Frame::text(&vec![b' '; bytes]));
}

fn is_needed(outbox: &Outbox) -> bool {
    !outbox.sleep(&Context::from_waker(Waker::noop()), true)
}

#[test]
fn what_was_put_in_comes_out_once() {
    let outbox = outbox();
    assert!(!is_needed(&outbox));
    put(&outbox, 2);
    put(&outbox, 2);
    assert!(is_needed(&outbox));
    assert_eq!(outbox.take_frames().len(), 2);
    assert!(!is_needed(&outbox));
    assert!(outbox.take_frames().is_empty());
}

#[test]
fn mail_is_not_kept_from_the_task_by_frames() {
    let outbox = outbox();
    put(&outbox, 2);
    outbox.mail(OwnerId(1), Mail::AfterJoin);
    assert_eq!(outbox.take_mail().map(|mail| mail.len()), Ok(1));
    assert!(is_needed(&outbox), "the frame is still there");
    assert_eq!(outbox.take_frames().len(), 1);
    assert_eq!(outbox.queue.lock().bytes, 0);
}

#[test]
fn a_line_that_is_taken_from_never_overflows() {
    let outbox = outbox();
    for _ in 0..100 {
        put(&outbox, 500);
        assert_eq!(outbox.take_frames().len(), 1);
    }
}

#[test]
fn more_than_the_limit_ends_the_connection_and_frees_the_line() {
    let outbox = outbox();
    for _ in 0..3 {
        assert!(outbox.queue.lock().close.is_none());
        put(&outbox, 500);
    }
    assert_eq!(outbox.take_mail().err(), Some(CloseReason::Overflow));
    put(&outbox, 2);
    assert!(outbox.queue.lock().frames.is_empty());
}

#[test]
fn a_single_frame_may_be_larger_than_the_limit() {
    let outbox = outbox();
    put(&outbox, 5000);
    assert_eq!(outbox.take_frames().len(), 1);
}

#[test]
fn the_first_reason_to_close_counts() {
    let outbox = outbox();
    outbox.close(CloseReason::Disconnected);
    outbox.close(CloseReason::Shutdown);
    assert_eq!(outbox.take_mail().err(), Some(CloseReason::Disconnected));
}

#[test]
fn what_was_said_before_the_end_is_still_there() {
    let outbox = outbox();
    put(&outbox, 2);
    outbox.close(CloseReason::Disconnected);
    put(&outbox, 2);
    assert_eq!(outbox.detach().len(), 1);
}

/// How often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A line with a socket, and the other end of it.
async fn attached() -> (Outbox, tokio::net::UnixStream) {
    let (stream, other) = tokio::net::UnixStream::pair().expect("the system has sockets");
    let outbox = Outbox::new(1 << 20, Arc::new(Counters::new()));
    outbox.attach(Arc::new(Stream::from(stream)));
    (outbox, other)
}

async fn read(other: &tokio::net::UnixStream, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        other.readable().await.expect("the stream is open");
        if other.try_read_buf(&mut bytes).is_ok_and(|count| count == 0) {
            break;
        }
    }
    bytes
}

#[tokio::test]
async fn whoever_first_holds_a_frame_flushes_for_all_and_the_task_sleeps() {
    let (outbox, other) = attached().await;
    assert!(outbox.hold(Frame::text(b"1")), "the first to come owes a flush");
    assert!(!outbox.hold(Frame::text(b"2")));
    outbox.send(Frame::text(b"3"));
    assert!(!is_needed(&outbox), "it would only do what is going to be done");
    assert_eq!(outbox.flush(Turn::begin()), Ok(Flushed::All));
    assert_eq!(read(&other, 9).await, b"\x81\x011\x81\x012\x81\x013");
    assert_eq!(outbox.counters.traffic().writes, 1);
    assert!(outbox.hold(Frame::text(b"4")), "there is nobody any more who owes one");
}

#[tokio::test]
async fn so_much_that_the_line_might_overflow_does_not_wait_for_whoever_owes_a_flush() {
    let (outbox, _other) = attached().await;
    let frame = Frame::text(&[b'x'; 100_000]);
    assert!(outbox.hold(frame.clone()));
    let task = Arc::new(Woken::default());
    assert!(outbox.sleep(&Context::from_waker(&task.clone().into()), true));
    for _ in 0..2 {
        assert!(!outbox.hold(frame.clone()));
    }
    assert_eq!(task.0.load(Relaxed), 1, "a quarter of the limit is reached");
    assert!(outbox.is_due());
}

/// Large frames of both kinds: in one piece, and in two.
fn large_frames() -> [Frame; 2] {
    let list = SharedPayload::new(serde_json::json!({"x": "x".repeat(10_000)}).into());
    let (join_ref, topic) = (Field::from("1"), Field::from("t"));
    let shared = list.encode_message(Vsn::V2, &join_ref, &Field::Null, &topic, "presence_state");
    [Frame::text(&[b'x'; 10_000]), shared.expect("an object")]
}

/// A line whose socket is full, how many of these frames were put in, and the other end.
async fn full(frame: &Frame) -> (Outbox, usize, tokio::net::UnixStream) {
    let (outbox, other) = attached().await;
    let mut count = 1;
    while outbox.hold(frame.clone()) {
        count += 1;
        let _ = outbox.flush(Turn::begin());
    }
    (outbox, count, other)
}

#[tokio::test]
async fn a_full_socket_is_left_to_the_task_and_no_frame_is_torn() {
    for frame in large_frames() {
        let (outbox, count, other) = full(&frame).await;
        assert!(is_needed(&outbox));
        assert_eq!(outbox.take_mail().map(|mail| mail.len()), Ok(0));
        let (read, ()) = tokio::join!(read(&other, count * frame.len()), async {
            while outbox.flush(Turn::begin()) != Ok(Flushed::All) {
                tokio::task::yield_now().await;
            }
        });
        assert!(read.chunks(frame.len()).all(|read| read == &frame.websocket()[..]));
        assert_eq!(read.len(), count * frame.len());
        assert!(!is_needed(&outbox));
    }
}

#[tokio::test]
async fn what_is_left_of_a_full_line_goes_on_where_the_socket_has_stopped() {
    for frame in large_frames() {
        let (outbox, count, other) = full(&frame).await;
        let unsent = outbox.detach();
        drop(outbox);
        let mut all = read(&other, usize::MAX).await;
        unsent.iter().for_each(|bytes| all.extend_from_slice(bytes));
        assert!(all.chunks(frame.len()).all(|read| read == &frame.websocket()[..]));
        assert_eq!(all.len(), count * frame.len());
    }
}

#[tokio::test]
async fn a_lost_stream_ends_the_connection_whoever_writes_to_it() {
    let (outbox, other) = attached().await;
    drop(other);
    outbox.hold(Frame::text(b"{}"));
    assert_eq!(outbox.flush(Turn::begin()), Err(CloseReason::Lost));
    assert_eq!(outbox.take_mail().err(), Some(CloseReason::Lost));
}

/// A part of a message that a relay passes on.
fn part(begins: bool, ends: bool) -> Frame {
    let begins = begins.then_some(DataKind::Text);
    Part { begins, ends, data: bytes::Bytes::from_static(b"part") }.into_frame()
}

/// What would be written now, in order.
fn next_bodies(outbox: &Outbox) -> Vec<Vec<u8>> {
    let mut queue = outbox.queue.lock();
    std::iter::from_fn(|| queue.pop()).map(|frame| frame.body().into_owned()).collect()
}

#[test]
fn what_is_put_ahead_goes_first_but_never_into_the_middle_of_a_message() {
    let outbox = outbox();
    outbox.send(part(true, false));
    assert_eq!(next_bodies(&outbox), [b"part"]);
    outbox.send_ahead(Frame::text(b"ours"));
    assert!(!is_needed(&outbox), "nothing may be written before the message ends");
    assert_eq!(next_bodies(&outbox), [b""; 0]);
    outbox.send(part(false, true));
    outbox.send(Frame::text(b"next"));
    assert!(is_needed(&outbox));
    assert_eq!(next_bodies(&outbox), [&b"part"[..], b"ours", b"next"]);
    assert_eq!(outbox.waiting_bytes(), 0);
}

#[test]
fn a_control_frame_ends_no_message() {
    let outbox = outbox();
    outbox.send(part(true, false));
    outbox.send(websocket::ping(b"p"));
    outbox.send_ahead(Frame::text(b"ours"));
    outbox.send(part(false, true));
    // The line was quiet, so what is said here goes first.
    assert_eq!(next_bodies(&outbox), [&b"ours"[..], b"part", b"p", b"part"]);
    outbox.send(part(true, false));
    outbox.send(websocket::ping(b"p"));
    assert_eq!(next_bodies(&outbox).len(), 2);
    outbox.send_ahead(Frame::text(b"ours"));
    assert_eq!(next_bodies(&outbox).len(), 0);
}

#[test]
fn an_update_is_not_taken_while_an_earlier_one_waits() {
    let outbox = outbox();
    assert!(outbox.takes_updates());
    outbox.send(Frame::text(b"passed on"));
    assert!(outbox.takes_updates(), "what is passed on keeps none out");
    outbox.hold_ahead(Frame::text(b"update"));
    assert!(!outbox.takes_updates());
    next_bodies(&outbox);
    assert!(outbox.takes_updates());
    outbox.close(CloseReason::Shutdown);
    assert!(!outbox.takes_updates());
}

#[test]
fn a_control_frame_that_is_put_ahead_waits_for_no_message() {
    let outbox = outbox();
    outbox.send(part(true, false));
    assert_eq!(next_bodies(&outbox), [b"part"]);
    outbox.send_ahead(Frame::text(b"ours"));
    outbox.send_ahead(websocket::ping(b"p"));
    assert!(outbox.has_ahead());
    assert!(is_needed(&outbox), "a ping may be written into the middle of a message");
    assert_eq!(next_bodies(&outbox), [b"p"]);
    outbox.send(part(false, true));
    assert_eq!(next_bodies(&outbox), [b"part", b"ours"]);
    assert!(!outbox.has_ahead());
}
