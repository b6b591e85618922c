//! The mask of a client's payload: taken off, and put on, which is the same.
//!
//! Contract: RFC 6455, 5.3.

/// Appends masked bytes to `buffer` without their mask. `offset` is their place in the frame's payload, whose
/// first byte takes the first byte of the mask.
pub(super) fn append(buffer: &mut Vec<u8>, masked: &[u8], mut mask: [u8; 4], offset: u64) {
    mask.rotate_left((offset % 4) as usize);
    let start = buffer.len();
    buffer.extend_from_slice(masked);
    if mask != [0; 4] {
        apply(&mut buffer[start..], mask);
    }
}

/// Puts a mask on the payload of a client's frame, or takes it off (RFC 6455, 5.3).
pub fn apply(payload: &mut [u8], mask: [u8; 4]) {
    // Word by word, in a shape that is compiled to wide instructions.
    let word_mask = u32::from_ne_bytes(mask);
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ word_mask).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::append;

    #[test]
    fn a_payload_that_comes_in_pieces_is_unmasked_as_in_one() {
        let payload: Vec<u8> = (0..=30).collect();
        let mask = [0x37, 0xFA, 0x21, 0x3D];
        let masked: Vec<u8> =
            payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        for cut in 0..=masked.len() {
            let mut buffer = Vec::new();
            append(&mut buffer, &masked[..cut], mask, 0);
            append(&mut buffer, &masked[cut..], mask, cut as u64);
            assert_eq!(buffer, payload, "{cut}");
        }
    }
}
