//! Frames in chunks of every size.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use interbank_wire_iso8583::{FrameDecoder, FrameError, Framing};

const KINDS: [Framing; 4] = [
    Framing::BINARY_2,
    Framing::ASCII_4,
    Framing::BINARY_2.counting_itself(true),
    Framing::ASCII_4.counting_itself(true),
];

fn decode(
    framing: Framing,
    stream: &[u8],
    chunk_len: usize,
) -> (Vec<Vec<u8>>, Option<FrameError>, bool) {
    let mut decoder = FrameDecoder::new(framing);
    let mut frames = Vec::new();
    for mut chunk in stream.chunks(chunk_len) {
        loop {
            match decoder.take(&mut chunk) {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Some(error), decoder.is_inside()),
            }
        }
        assert!(chunk.is_empty());
    }
    (frames, None, decoder.is_inside())
}

#[test]
fn every_chunk_size_gives_the_same_frames() {
    let messages: Vec<Vec<u8>> = [0, 1, 2, 109, 0, 255, 256, 700].map(|len| vec![0xA5; len]).into();
    for framing in KINDS {
        let mut stream = Vec::new();
        for message in &messages {
            framing.put(message, &mut stream).unwrap();
        }
        for chunk_len in 1..=stream.len() {
            assert_eq!(
                decode(framing, &stream, chunk_len),
                (messages.clone(), None, false),
                "{chunk_len}"
            );
        }
        // A stream that is cut anywhere gives the whole frames before the cut, and says if one had begun.
        let mut ends = vec![0];
        for message in &messages {
            let mut one = Vec::new();
            framing.put(message, &mut one).unwrap();
            ends.push(ends.last().unwrap() + one.len());
        }
        for cut in 0..stream.len() {
            let (frames, error, inside) = decode(framing, &stream[..cut], 7.min(cut.max(1)));
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!((frames.len(), error, inside), (whole, None, !ends.contains(&cut)), "{cut}");
        }
    }
}

#[test]
fn lengths_are_written_as_networks_write_them() {
    for (framing, expected) in
        KINDS.into_iter().zip([&b"\x00\x03abc"[..], b"0003abc", b"\x00\x05abc", b"0007abc"])
    {
        let mut stream = Vec::new();
        framing.put(b"abc", &mut stream).unwrap();
        assert_eq!(stream, expected);
    }
}

#[test]
fn the_bound_holds_on_both_sides() {
    for framing in KINDS {
        let framing = framing.bytes_max(100);
        let mut stream = Vec::new();
        framing.put(&[1; 100], &mut stream).unwrap();
        assert_eq!(decode(framing, &stream, 3).0, [[1; 100]]);
        let mut more = Vec::new();
        assert_eq!(framing.put(&[1; 101], &mut more), Err(FrameError::TooLong));
        assert!(more.is_empty());
        framing.bytes_max(200).put(&[1; 101], &mut more).unwrap();
        assert_eq!(decode(framing, &more, 1).1, Some(FrameError::TooLong));
    }
    // What four digits or two bytes cannot say is refused, whatever the bound.
    let mut stream = Vec::new();
    assert_eq!(
        Framing::ASCII_4.bytes_max(usize::MAX).put(&[0; 10_000], &mut stream),
        Err(FrameError::TooLong)
    );
    assert_eq!(
        Framing::BINARY_2.bytes_max(usize::MAX).put(&vec![0; 65_536], &mut stream),
        Err(FrameError::TooLong)
    );
    assert_eq!(
        Framing::ASCII_4.counting_itself(true).bytes_max(usize::MAX).put(&[0; 9_996], &mut stream),
        Err(FrameError::TooLong)
    );
    assert!(stream.is_empty());
}

#[test]
fn an_error_stays() {
    for (framing, stream) in [
        (Framing::ASCII_4, &b"00x1a"[..]),
        (Framing::ASCII_4, b"+001a"),
        (Framing::ASCII_4.counting_itself(true), b"0003"),
        (Framing::BINARY_2.counting_itself(true), b"\x00\x01"),
    ] {
        let mut decoder = FrameDecoder::new(framing);
        let mut chunk = stream;
        assert_eq!(decoder.take(&mut chunk), Err(FrameError::Length));
        assert_eq!(decoder.take(&mut &b"0001a"[..]), Err(FrameError::Length));
        assert!(!decoder.is_inside());
    }
}

#[test]
fn nothing_of_a_frame_is_printed() {
    let mut decoder = FrameDecoder::new(Framing::BINARY_2);
    let mut chunk = &b"\x00\x104111111111111111"[..];
    assert!(decoder.take(&mut chunk).unwrap().is_some());
    assert!(!format!("{decoder:?}").contains("4111") && !format!("{decoder:?}").contains("52, 49"));
}

#[cfg(feature = "tokio")]
mod stream {
    use interbank_wire_iso8583::{FrameReader, Framing, write_frame};
    use std::io::ErrorKind;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test]
    async fn frames_pass_through_a_pipe() {
        // A pipe of five bytes cuts everything into pieces.
        let (mut near, far) = tokio::io::duplex(5);
        let writing = tokio::spawn(async move {
            for len in [0_usize, 3, 300] {
                write_frame(&mut near, Framing::ASCII_4, &vec![b'x'; len]).await.unwrap();
            }
        });
        let mut reader = FrameReader::new(far, Framing::ASCII_4);
        for len in [0_usize, 3, 300] {
            assert_eq!(reader.next().await.unwrap().unwrap().len(), len);
        }
        writing.await.unwrap();
        assert!(reader.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_cut_stream_and_a_bad_length_are_told_apart() {
        for (bytes, kind) in
            [(&b"0005abc"[..], ErrorKind::UnexpectedEof), (b"abcd", ErrorKind::InvalidData)]
        {
            let (mut near, far) = tokio::io::duplex(64);
            near.write_all(bytes).await.unwrap();
            drop(near);
            let mut reader = FrameReader::new(far, Framing::ASCII_4);
            assert_eq!(reader.next().await.unwrap_err().kind(), kind);
        }
    }
}
