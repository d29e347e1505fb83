//! CRC-16 as QRCPS MPM uses it: polynomial 1021, start FFFF, not reflected, no final xor.

/// The checksum of `bytes`; for a payload these are the UTF-8 bytes up to and including `6304`
/// (QRCPS MPM v1.1 §4.7.3). The check value of `123456789` is `29B1`.
pub fn crc16(bytes: &[u8]) -> u16 {
    update(0xFFFF, bytes)
}

/// Eight table look-ups per eight bytes do not wait for each other, so this is several times
/// faster than one look-up per byte; the tests hold it against the bit-by-bit definition.
pub(super) fn update(start: u16, bytes: &[u8]) -> u16 {
    let mut crc = start;
    let (blocks, rest) = bytes.as_chunks::<8>();
    for block in blocks {
        let [high, low] = crc.to_be_bytes();
        let [a, b, c, d, e, f, g, h] = *block;
        crc = look_up(7, a ^ high)
            ^ look_up(6, b ^ low)
            ^ look_up(5, c)
            ^ look_up(4, d)
            ^ look_up(3, e)
            ^ look_up(2, f)
            ^ look_up(1, g)
            ^ look_up(0, h);
    }
    for &byte in rest {
        let [high, low] = crc.to_be_bytes();
        crc = u16::from_be_bytes([low, 0]) ^ look_up(0, byte ^ high);
    }
    crc
}

#[inline(always)]
fn look_up(table: usize, byte: u8) -> u16 {
    TABLES[table][usize::from(byte)]
}

const POLYNOMIAL: u16 = 0x1021;

/// `TABLES[k][b]` is the remainder of the byte `b` followed by `k` zero bytes.
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0u16; 256]; 8];
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
    while table < 8 {
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
