//! CRC-16 as QRCPS MPM uses it: polynomial 1021, start FFFF, not reflected, no final xor.

/// The checksum of `bytes`; for a payload these are the UTF-8 bytes up to and including `6304`
/// (QRCPS MPM v1.1 §4.7.3). The check value of `123456789` is `29B1`.
pub fn crc16(bytes: &[u8]) -> u16 {
    update(0xFFFF, bytes)
}

/// Sixteen table look-ups per sixteen bytes do not wait for each other, so this is several times
/// faster than one look-up per byte; the tests hold it against the bit-by-bit definition.
pub(super) fn update(start: u16, bytes: &[u8]) -> u16 {
    let mut crc = start;
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for block in blocks {
        let [first, second, tail @ ..] = block;
        let [high, low] = crc.to_be_bytes();
        crc = TABLES[BLOCK - 1][usize::from(first ^ high)]
            ^ TABLES[BLOCK - 2][usize::from(second ^ low)];
        for (place, byte) in tail.iter().enumerate() {
            crc ^= TABLES[BLOCK - 3 - place][usize::from(*byte)];
        }
    }
    for &byte in rest {
        let [high, low] = crc.to_be_bytes();
        crc = u16::from_be_bytes([low, 0]) ^ TABLES[0][usize::from(byte ^ high)];
    }
    crc
}

/// How many bytes are taken at once.
const BLOCK: usize = 16;

const POLYNOMIAL: u16 = 0x1021;

/// `TABLES[k][b]` is the remainder of the byte `b` followed by `k` zero bytes.
static TABLES: [[u16; 256]; BLOCK] = tables();

const fn tables() -> [[u16; 256]; BLOCK] {
    let mut tables = [[0u16; 256]; BLOCK];
    let mut byte = 0u16;
    while byte < 256 {
        let mut crc = byte << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ POLYNOMIAL };
            bit += 1;
        }
        tables[0][byte as usize] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < BLOCK {
        let mut byte = 0;
        while byte < 256 {
            let shorter = tables[table - 1][byte];
            tables[table][byte] = (shorter << 8) ^ tables[0][(shorter >> 8) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}
