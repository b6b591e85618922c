//! From the text or bytes of a message to a [`Message`].

use bytes::Bytes;
use divan::Bencher;
use divan::counter::BytesCount;
use presenced::wire::{DecodeError, Message, Vsn, decode_binary, decode_text};

#[divan::bench]
fn v2_heartbeat(bencher: Bencher) {
    text(bencher, Vsn::V2, r#"[null,"17","phoenix","heartbeat",{}]"#.into());
}

#[divan::bench]
fn v2_join(bencher: Bencher) {
    text(
        bencher,
        Vsn::V2,
        format!(r#"["3","3","{TOPIC}","phx_join",{{"project_id":"{ID}","version":"latest"}}]"#),
    );
}

#[divan::bench]
fn v2_shout_of_1_kb(bencher: Bencher) {
    text(bencher, Vsn::V2, format!(r#"["3","9","{TOPIC}","shout",{}]"#, payload()));
}

#[divan::bench]
fn v1_shout_of_1_kb(bencher: Bencher) {
    let payload = payload();
    text(bencher, Vsn::V1, format!(r#"{{"topic":"{TOPIC}","event":"shout","payload":{payload},"ref":"9"}}"#));
}

#[divan::bench]
fn v2_binary_of_1_kb(bencher: Bencher) {
    let fields = ["3", "9", TOPIC, "shout"];
    let sizes = fields.map(|field| u8::try_from(field.len()).expect("fields are short"));
    let push = [&[0][..], &sizes, fields.concat().as_bytes(), &[7; 1024]].concat();
    measure(bencher, push.into(), |bytes| decode_binary(Vsn::V2, bytes));
}

fn text(bencher: Bencher, vsn: Vsn, text: String) {
    measure(bencher, text.into(), |text| decode_text(vsn, text));
}

fn measure(bencher: Bencher, bytes: Bytes, decode: impl Fn(&Bytes) -> Result<Message, DecodeError> + Sync) {
    decode(&bytes).expect("a message");
    bencher.counter(BytesCount::new(bytes.len())).bench(|| decode(divan::black_box(&bytes)));
}

/// An object of some members, as a canvas sends them, and not one long string.
fn payload() -> String {
    let nodes = (0..14).map(|nth| format!(r#"{{"id":"{ID}","x":{nth}.25,"on":true}}"#)).collect::<Vec<_>>();
    format!(r#"{{"nodes":[{}]}}"#, nodes.join(","))
}

const TOPIC: &str = "workflow:collaborate:6c1b7e8e-1f0a-4f5e-9d42-0a6f6f6b6c1b";
const ID: &str = "6c1b7e8e-1f0a-4f5e-9d42-0a6f6f6b6c1b";
