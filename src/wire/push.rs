//! Binary pushes that one participant is sent again and again.
//!
//! Contract: Phoenix 1.8.12, `Phoenix.Socket.V2.JSONSerializer`, a push with a binary payload.

use super::frame::{FrameBuilder, Opcode};
use super::{EncodeError, Field};

/// The beginning of binary pushes to one join of a topic, encoded once. Only V2 has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinaryPush {
    /// The kind, the size of each field, the fields.
    head: Box<[u8]>,
}

impl BinaryPush {
    /// For pushes of this event to whoever knows the join by this reference.
    ///
    /// # Errors
    /// [`EncodeError::FieldTooLong`].
    pub fn new(join_ref: &Field, topic: &str, event: &str) -> Result<BinaryPush, EncodeError> {
        let join_ref = match join_ref {
            Field::Null => "",
            Field::Text(text) => text,
            Field::Json(json) => json,
        };
        let fields = [("join_ref", join_ref), ("topic", topic), ("event", event)];
        let mut head = vec![PUSH];
        for (field, text) in fields {
            let len = text.len();
            head.push(u8::try_from(len).map_err(|_| EncodeError::FieldTooLong { field, len })?);
        }
        fields.iter().for_each(|(_, text)| head.extend_from_slice(text.as_bytes()));
        Ok(BinaryPush { head: head.into() })
    }

    /// A push whose payload, of about `len` bytes, is appended by `write`, which must leave what is there already.
    pub fn encode(&self, len: usize, write: impl FnOnce(&mut Vec<u8>)) -> super::Frame {
        let mut frame = FrameBuilder::with_capacity(self.head.len() + len);
        frame.body().extend_from_slice(&self.head);
        write(frame.body());
        frame.finish(Opcode::Binary)
    }
}

/// The kind of a push, among the binary messages of a server.
const PUSH: u8 = 0;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::{Payload, Vsn, encode_message};

    #[test]
    fn it_is_what_any_binary_push_is() {
        let payload = Payload::Binary(Bytes::from_static(b"\x01\x02\x00"));
        for join_ref in [Field::from("4"), Field::Null, Field::Json("7".into())] {
            let push = BinaryPush::new(&join_ref, "a:b", "yjs").expect("short fields");
            let frame = push.encode(3, |out| out.extend_from_slice(b"\x01\x02\x00"));
            let topic = Field::from("a:b");
            assert_eq!(Ok(frame), encode_message(Vsn::V2, &join_ref, &Field::Null, &topic, "yjs", &payload));
        }
    }

    #[test]
    fn a_field_whose_size_does_not_fit_is_refused() {
        let long = "x".repeat(256);
        let error = BinaryPush::new(&Field::from("1"), &long, "yjs").expect_err("too long");
        assert_eq!(error, EncodeError::FieldTooLong { field: "topic", len: 256 });
    }
}
