//! A message as it came in, with what only its bytes and its line can say.

use crate::error::{Fault, FieldError};
use crate::{Dialect, Message, ParseError};
use core::fmt;
use port::{MacTag, Time};
use standin::{Evidence, InstitutionId, MessageMac};

/// A message that came in, on its way to becoming a request of [`standin`] or an answer of a host; it makes the answer, too.
///
/// It holds the message, card data included, until it is dropped. What it makes for [`standin`] holds none of it, but for the
/// evidence, which lives in memory alone and is erased with its last copy.
///
/// ```
/// use interbank_wire_iso8583::{Codings, Dialect, FieldError, Incoming, Message, Mti, Usage};
/// use port::{Amount, Currency, Time};
/// use seal::{Account, AccountTokens, Secret};
/// use standin::{AccountInfo, InstitutionId, Request, ResponseCode};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (network, usage) = (Dialect::iso1987(Codings::ASCII)?, Usage::iso1987());
/// let tokens = AccountTokens::new(&Secret::new([7; 32])); // of the institution that keeps the account
/// let now = Time::from_s(1_764_000_000);
/// # let mut sent = Message::new(Mti::FINANCIAL_REQUEST);
/// # sent.set(2, b"4111111111111111")?.set(3, b"000000")?.set(32, b"47110815")?.set(100, b"900001")?;
/// # sent.set_amount(Amount::parse_major("100.00", Currency::parse("USD")?)?)?;
/// # sent.set_stan(123_456)?.set_transmitted(now)?.set_terminal("TERM0001")?;
/// # let mut frame = Vec::new();
/// # sent.encode(&network, &mut frame)?;
/// let incoming = Incoming::parse(&frame, &network, now)?;
/// // The only code that sees the number: who keeps the account, and what stands for it.
/// let accounts = |account: &Account, named: Option<InstitutionId>| {
///     let keeper = named?; // or by the first digits
///     Some((keeper, AccountInfo::new(account, tokens.token(account))))
/// };
/// match incoming.request(&usage, accounts) {
///     Ok(Request::Transaction(request)) => assert_eq!(request.key.trace(), 123_456),
///     Ok(Request::Network(_)) => unreachable!("it is about an account"),
///     Err(refused) => drop(incoming.answer_code(refused.response_code())?),
/// }
///
/// // A message without its terminal is refused, and the refusal says which field.
/// # sent.remove(41);
/// # frame.clear();
/// # sent.encode(&network, &mut frame)?;
/// let incoming = Incoming::parse(&frame, &network, now)?;
/// let refused = incoming.request(&usage, accounts).unwrap_err();
/// assert_eq!((refused, refused.response_code()), (FieldError::missing(41), ResponseCode::FORMAT));
/// assert_eq!(incoming.answer_code(ResponseCode::FORMAT)?.text(39), Some("30"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Incoming {
    pub(crate) message: Message,
    pub(crate) mac: Option<Result<MessageMac, FieldError>>,
    pub(crate) at: Time,
    pub(crate) sender: Option<InstitutionId>,
}

impl Incoming {
    /// Reads a message that came in at `at`, which is what years are told by: see [`Message::transmitted`].
    ///
    /// What an authentication code covers is copied here, since the bytes are gone later.
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn parse(bytes: &[u8], dialect: &Dialect, at: Time) -> Result<Self, ParseError> {
        let message = Message::parse(bytes, dialect)?;
        let mac = mac(&message, dialect, bytes);
        Ok(Self { message, mac, at, sender: None })
    }

    /// Says whose line it came by: who sent a network message that does not say it.
    #[must_use]
    pub fn from_sender(mut self, sender: InstitutionId) -> Self {
        self.sender = Some(sender);
        self
    }

    /// The message.
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// When it came in.
    pub const fn at(&self) -> Time {
        self.at
    }
}

impl fmt::Debug for Incoming {
    /// The message as its own `Debug` shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incoming({:?})", self.message)
    }
}

/// `None` without a code; an error for one where none can be, lest it seem that there is none.
fn mac(
    message: &Message,
    dialect: &Dialect,
    bytes: &[u8],
) -> Option<Result<MessageMac, FieldError>> {
    let field = *[64, 128].iter().find(|field| message.has(**field))?;
    let read = || {
        let place = message.mac_place(dialect, bytes)?;
        let tag =
            message.field(place.field).filter(|tag| tag.len() == MessageMac::TAG_BYTES_MIN)?;
        let message = Evidence::new(place.covered(bytes).to_vec());
        Some(MessageMac { message, tag: MacTag::new(tag)? })
    };
    Some(read().ok_or(FieldError::new(field, Fault::Meaning)))
}
