//! Tokens in place of addresses: AES-CMAC (NIST SP 800-38B, RFC 4493) under a key of the terminal's own.

use super::{Address, TerminalId};
use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt as _, KeyInit as _};
use core::fmt;
use seal::Secret;

/// What stands for a neighbour within one terminal: 24 bits, of which the first 16 name the device and the last 8 the
/// address among those of the device.
///
/// **Why 24 bits.** Long enough that a terminal hardly ever confuses two neighbours, short enough that even the key does not
/// give the address back:
///
/// | | figure |
/// |---|---|
/// | a given stranger passes for a given neighbour | 2⁻²⁴ |
/// | any of 32 strangers passes for any of 64 neighbours | 1.2 × 10⁻⁴ |
/// | any two of 64 neighbours of a period collide | 1.2 × 10⁻⁴ |
/// | any two of 1,000 addresses of a terminal collide | 3 % |
/// | two addresses of one device collide | 2⁻⁸; they then count as one |
/// | two of 64 devices share a group, so that their evidence is capped together | 3 % |
/// | without the key: what a token tells | nothing; tokens of two terminals, or of two keys of one, cannot be linked |
/// | with the key: addresses that fit one token, of the 2³¹ that cover half of those in use | 128 |
/// | with the key: the same of all 2³⁹ that are allocated | 32,768 |
///
/// The last two lines are about one token. Whoever has the key *and* a map of access points can intersect the candidates of
/// all neighbours of a period and so find the place: the key is what protects, the length is a second line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u32);

impl Token {
    /// How many bits it has.
    pub const BITS: u32 = 24;

    /// From its number; higher bits are dropped.
    pub const fn new(number: u32) -> Self {
        Self(number & 0xFF_FFFF)
    }

    /// The number, below 2²⁴.
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    /// The device that it belongs to, below 2¹⁶.
    pub const fn group(self) -> u32 {
        self.0 >> 8
    }
}

/// Makes the tokens of one terminal under one key.
///
/// The AES key is derived by HKDF-SHA-256 from the institution's secret, the terminal and the key's number, and expanded
/// once. `Debug` does not show it.
#[derive(Clone)]
pub struct TokenKey {
    id: u8,
    cmac: BlockCmac,
}

impl TokenKey {
    /// Derives a terminal's key from one of the institution's secrets. Numbers rise by one with each rotation.
    pub fn derive(secret: &Secret<32>, id: u8, terminal: &TerminalId) -> Self {
        let label = "interbank/risk-core/neighbour-token/v1";
        let key = seal::derive::<16>(secret.expose(), label, &[terminal.as_bytes(), &[id]]);
        Self { id, cmac: BlockCmac::new(&key) }
    }

    /// The key's number.
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// The token of one address.
    pub fn token(&self, address: &Address) -> Token {
        let mut token = [Token(0)];
        self.tokens(core::slice::from_ref(address), &mut token);
        token[0]
    }

    /// The tokens of many addresses, a batch of AES blocks at a time. Stops at the end of the shorter slice.
    pub fn tokens(&self, addresses: &[Address], tokens: &mut [Token]) {
        for (addresses, tokens) in addresses.chunks(BATCH / 2).zip(tokens.chunks_mut(BATCH / 2)) {
            let mut blocks = [[0; 16]; BATCH];
            for (pair, address) in blocks.chunks_exact_mut(2).zip(addresses) {
                pair[0] = address.group_block();
                pair[1] = address.member_block();
            }
            let used = addresses.len().min(tokens.len());
            self.cmac.tags(&mut blocks[..used * 2]);
            for (token, pair) in tokens.iter_mut().zip(blocks.chunks_exact(2)) {
                *token = Token(
                    u32::from(pair[0][0]) << 16
                        | u32::from(pair[0][1]) << 8
                        | u32::from(pair[1][0]),
                );
            }
        }
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({}, ..)", self.id)
    }
}

/// The keys of a terminal while one replaces another: tokens of both are made, so that what was learned under the old key is
/// still found; each neighbour moves to the new key when it is learned again. What was not seen for the whole overlap is
/// forgotten.
#[derive(Clone, Debug)]
pub struct TerminalKeys {
    pub(super) current: TokenKey,
    pub(super) previous: Option<TokenKey>,
}

impl TerminalKeys {
    /// One key.
    pub const fn new(current: TokenKey) -> Self {
        Self { current, previous: None }
    }

    /// The new key with the one before it.
    ///
    /// # Errors
    /// [`NotConsecutive`] if their numbers do not follow each other.
    pub fn rotating(current: TokenKey, previous: TokenKey) -> Result<Self, NotConsecutive> {
        if previous.id.checked_add(1) == Some(current.id) {
            Ok(Self { current, previous: Some(previous) })
        } else {
            Err(NotConsecutive)
        }
    }
}

/// Names addresses among all terminals of an institution, for the [population sketch](super::Population) alone: a key of its
/// own, so that neither sketch nor profiles tell anything about each other.
#[derive(Clone)]
pub struct PopulationKey(BlockCmac);

impl PopulationKey {
    /// Derives the key from the institution's secret for this purpose.
    pub fn derive(secret: &Secret<32>) -> Self {
        let label = "interbank/risk-core/population/v1";
        Self(BlockCmac::new(&seal::derive::<16>(secret.expose(), label, &[])))
    }

    /// The names of many addresses, 64 bits each. Stops at the end of the shorter slice.
    pub(super) fn names(&self, addresses: &[Address], names: &mut [u64]) {
        for (addresses, names) in addresses.chunks(BATCH).zip(names.chunks_mut(BATCH)) {
            let mut blocks = [[0; 16]; BATCH];
            for (block, address) in blocks.iter_mut().zip(addresses) {
                *block = address.population_block();
            }
            self.0.tags(&mut blocks[..addresses.len().min(names.len())]);
            for (name, [a, b, c, d, e, f, g, h, ..]) in names.iter_mut().zip(&blocks) {
                *name = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            }
        }
    }
}

impl fmt::Debug for PopulationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PopulationKey(..)")
    }
}

/// The numbers of two token keys do not follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotConsecutive;

impl NotConsecutive {
    /// Stable number: 3301.
    pub const fn code(self) -> u32 {
        3_301
    }
}

impl fmt::Display for NotConsecutive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the numbers of two token keys do not follow each other")
    }
}

impl core::error::Error for NotConsecutive {}

/// AES-CMAC of messages that are exactly one block: `AES(K, M ⊕ K1)`, many at a time, so that the cipher's pipeline is full.
#[derive(Clone)]
struct BlockCmac {
    cipher: Aes128,
    /// The first subkey, RFC 4493 §2.3.
    k1: Secret<16>,
}

impl BlockCmac {
    fn new(key: &Secret<16>) -> Self {
        let cipher = Aes128::new(&Array::from(*key.expose()));
        let mut l = Array::from([0; 16]);
        cipher.encrypt_block(&mut l);
        let l = u128::from_be_bytes(l.into());
        let carry = if l >> 127 == 1 { 0x87 } else { 0 };
        Self { cipher, k1: Secret::new((l << 1 ^ carry).to_be_bytes()) }
    }

    /// Replaces each block by its tag.
    fn tags(&self, blocks: &mut [[u8; 16]]) {
        let k1 = u128::from_ne_bytes(*self.k1.expose());
        for block in blocks.iter_mut() {
            *block = (u128::from_ne_bytes(*block) ^ k1).to_ne_bytes();
        }
        self.cipher.encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
    }
}

/// Blocks per call of the cipher.
const BATCH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use cmac::Mac as _;
    use proptest::prelude::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        let mut bytes = [0; N];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(core::str::from_utf8(digits).unwrap(), 16).unwrap();
        }
        bytes
    }

    const KEY: &str = "2b7e151628aed2a6abf7158809cf4f3c";
    const MESSAGE: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                           30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";

    /// RFC 4493 §4: ours for the one length that it has, and the crate that it is compared with below for all.
    #[test]
    fn published_vectors() {
        let message: [u8; 64] = hex(MESSAGE);
        for (len, tag) in [
            (0, "bb1d6929e95937287fa37d129b756746"),
            (16, "070a16b46b4d4144f79bdd9dd04a287c"),
            (40, "dfa66747de9ae63030ca32611497c827"),
            (64, "51f0bebf7e3b9d92fc49741779363cfe"),
        ] {
            let mut mac = cmac::Cmac::<Aes128>::new(&Array::from(hex::<16>(KEY)));
            mac.update(&message[..len]);
            assert_eq!(mac.finalize().into_bytes()[..], hex::<16>(tag));
        }
        let mut blocks = [*message.first_chunk().unwrap()];
        BlockCmac::new(&Secret::new(hex(KEY))).tags(&mut blocks);
        assert_eq!(blocks[0], hex::<16>("070a16b46b4d4144f79bdd9dd04a287c"));
    }

    proptest! {
        #[test]
        fn is_cmac_for_any_key(key in any::<[u8; 16]>(), blocks in prop::collection::vec(any::<[u8; 16]>(), 1..70)) {
            let mut tags = blocks.clone();
            BlockCmac::new(&Secret::new(key)).tags(&mut tags);
            for (block, tag) in blocks.iter().zip(tags) {
                let mut mac = cmac::Cmac::<Aes128>::new(&Array::from(key));
                mac.update(block);
                prop_assert_eq!(mac.finalize().into_bytes()[..].to_vec(), tag.to_vec());
            }
        }
    }

    #[test]
    fn keys_are_not_printed() {
        let key = TokenKey::derive(&Secret::new([1; 32]), 3, &TerminalId::new("t").unwrap());
        assert_eq!(alloc::format!("{key:?}"), "TokenKey(3, ..)");
    }
}
