//! Writes the terms that a payload is made of, as Erlang's `term_to_binary` does.

use super::{ATOM, BINARY, INTEGER, NEW_FLOAT, SMALL_BIG, SMALL_INTEGER, SMALL_TUPLE, VERSION};

/// A term in the making. A tuple's elements are written after its head.
pub(in super::super) struct Writer(Vec<u8>);

impl Writer {
    pub(in super::super) fn new() -> Self {
        Writer(vec![VERSION])
    }

    pub(in super::super) fn tuple(mut self, size: u8) -> Self {
        self.0.extend([SMALL_TUPLE, size]);
        self
    }

    pub(in super::super) fn integer(mut self, value: i64) -> Self {
        if let Ok(small) = u8::try_from(value) {
            self.0.extend([SMALL_INTEGER, small]);
        } else if let Ok(value) = i32::try_from(value) {
            self.0.push(INTEGER);
            self.0.extend(value.to_be_bytes());
        } else {
            let magnitude = value.unsigned_abs().to_le_bytes();
            let zeros = value.unsigned_abs().leading_zeros() / 8;
            let digits = &magnitude[..magnitude.len() - zeros as usize];
            self.0.extend([SMALL_BIG, digits.len() as u8, u8::from(value < 0)]);
            self.0.extend(digits);
        }
        self
    }

    pub(in super::super) fn float(mut self, value: f64) -> Self {
        self.0.push(NEW_FLOAT);
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(in super::super) fn binary(mut self, bytes: &[u8]) -> Self {
        let size = u32::try_from(bytes.len()).expect("a token's data is far below 4 GiB");
        self.0.push(BINARY);
        self.0.extend(size.to_be_bytes());
        self.0.extend(bytes);
        self
    }

    /// In the form up to OTP 25, which every release reads.
    pub(in super::super) fn atom(mut self, name: &'static str) -> Self {
        let size = u16::try_from(name.len()).expect("an atom's name is short");
        self.0.push(ATOM);
        self.0.extend(size.to_be_bytes());
        self.0.extend(name.as_bytes());
        self
    }

    /// A term that is written already, without its version byte.
    pub(in super::super) fn term(mut self, written: &[u8]) -> Self {
        self.0.extend(written);
        self
    }

    pub(in super::super) fn finish(self) -> Vec<u8> {
        self.0
    }
}
