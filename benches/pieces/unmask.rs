//! From a client's masked frame to the message in it: header, mask, and of text the check that it is UTF-8.

use divan::Bencher;
use divan::counter::BytesCount;
use presenced::wire::websocket::{Decoder, Limits};

#[divan::bench(args = [64, 1024, 64 * 1024])]
fn text(bencher: Bencher, payload: usize) {
    measure(bencher, TEXT, payload);
}

#[divan::bench(args = [64, 1024, 64 * 1024])]
fn binary(bencher: Bencher, payload: usize) {
    measure(bencher, BINARY, payload);
}

fn measure(bencher: Bencher, opcode: u8, payload: usize) {
    let frame = masked(opcode, &vec![b'x'; payload]);
    let mut decoder = Decoder::new(Limits::default());
    bencher.counter(BytesCount::new(payload)).bench_local(|| {
        let mut input = divan::black_box(&frame[..]);
        decoder.decode(&mut input).expect("a good frame").expect("a whole one")
    });
}

/// A frame as a client sends it.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![FIN | opcode];
    match payload.len() {
        length @ 0..126 => frame.push(MASKED | length as u8),
        length @ 126..0x1_0000 => {
            frame.push(MASKED | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(MASKED | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
