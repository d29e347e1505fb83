//! What the codes of a network mean, where the standard leaves it to the networks.

use crate::{Class, FieldError, Message};
use alloc::vec::Vec;
use standin::{Channel, EntryMode, Kind};

/// Which transactions a network's codes stand for, and where it puts card verification numbers.
///
/// ```
/// use interbank_wire_iso8583::{Class, KindRule, Usage};
/// use standin::Kind;
/// // A network whose pre-authorizations have transaction type 03, and the number on the card in field 48.
/// let held = KindRule::new(Class::Authorization, 3, Kind::PreAuthorization);
/// let usage = Usage::iso1987().with_kind(held).with_cvn_field(48);
/// # let _ = usage;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The last one that fits decides.
    kinds: Vec<KindRule>,
    cvn_fields: Vec<u8>,
    stand_in_field: Option<u8>,
}

impl Usage {
    /// Of field 3: 00 purchase, 01 and 09 cash, 20 refund, 30 and 31 inquiry, 40 transfer. With condition 06
    /// (pre-authorized) in field 25, 00 is a pre-authorization in x1xx and its completion in x2xx. No private field holds a
    /// card verification number.
    ///
    /// 09, goods with cash, counts as cash, since cash is paid out: it needs what cash needs.
    pub fn iso1987() -> Self {
        let mut kinds = Vec::new();
        for class in [Class::Authorization, Class::Financial] {
            for (transaction, kind) in [
                (0, Kind::Purchase),
                (1, Kind::Cash),
                (9, Kind::Cash),
                (20, Kind::Refund),
                (30, Kind::Inquiry),
                (31, Kind::Inquiry),
                (40, Kind::Transfer),
            ] {
                kinds.push(KindRule::new(class, transaction, kind));
            }
        }
        kinds.push(KindRule::new(Class::Authorization, 0, Kind::PreAuthorization).on_condition(6));
        kinds.push(KindRule::new(Class::Financial, 0, Kind::Completion).on_condition(6));
        Self { kinds, cvn_fields: Vec::new(), stand_in_field: None }
    }

    /// With one more rule, which precedes the others.
    #[must_use]
    pub fn with_kind(mut self, rule: KindRule) -> Self {
        self.kinds.push(rule);
        self
    }

    /// With a private field that holds a card verification number: where it is there, it is evidence.
    #[must_use]
    pub fn with_cvn_field(mut self, field: u8) -> Self {
        self.cvn_fields.push(field);
        self
    }

    /// With a private field (48, 60 to 63, 120 to 127) in which a host is told that the stand-in module gave the answer:
    /// [`crate::StoodIn`].
    #[must_use]
    pub const fn with_stand_in_field(mut self, field: u8) -> Self {
        self.stand_in_field = Some(field);
        self
    }

    /// What a message of this class is for; `None` if no rule fits. A reversal is one whatever its codes say.
    pub fn kind(&self, class: Class, transaction: u8, condition: Option<u16>) -> Option<Kind> {
        if class == Class::Reversal {
            return Some(Kind::Reversal);
        }
        let fits = |rule: &&KindRule| {
            rule.class == class
                && rule.transaction == transaction
                && rule.condition.is_none_or(|wanted| condition == Some(u16::from(wanted)))
        };
        self.kinds.iter().rev().find(fits).map(|rule| rule.kind)
    }

    /// The codes for a kind in messages of this class: transaction type, and the condition where it takes one. Of several the
    /// first that reading would take for this kind; `None` if there is none.
    pub fn codes(&self, class: Class, kind: Kind) -> Option<(u8, Option<u8>)> {
        let rules = self.kinds.iter().filter(|rule| rule.class == class && rule.kind == kind);
        rules.map(|rule| (rule.transaction, rule.condition)).find(|(code, condition)| {
            self.kind(class, *code, condition.map(u16::from)) == Some(kind)
        })
    }

    /// The private field with the evidence that the stand-in module answered.
    pub const fn stand_in_field(&self) -> Option<u8> {
        self.stand_in_field
    }

    /// The private fields with card verification numbers.
    pub fn cvn_fields(&self) -> &[u8] {
        &self.cvn_fields
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self::iso1987()
    }
}

/// One line of [`Usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindRule {
    class: Class,
    transaction: u8,
    condition: Option<u8>,
    kind: Kind,
}

impl KindRule {
    /// Messages of this class with this transaction type, the first two digits of field 3.
    pub const fn new(class: Class, transaction: u8, kind: Kind) -> Self {
        Self { class, transaction, condition: None, kind }
    }

    /// Only those with this condition in field 25.
    #[must_use]
    pub const fn on_condition(self, condition: u8) -> Self {
        Self { condition: Some(condition), ..self }
    }
}

impl Message {
    /// How the card was read: the first two digits of field 22. Codes 00 to 05 are of the standard, 07, 10, 80, 81, 90, 91
    /// and 95 of the networks.
    ///
    /// # Errors
    /// As [`Message::entry_mode`].
    pub fn entry(&self) -> Result<EntryMode, FieldError> {
        Ok(match self.entry_mode()?.map(|code| code / 10) {
            Some(1) => EntryMode::Keyed,
            Some(2 | 90) => EntryMode::Stripe,
            Some(5 | 95) => EntryMode::Chip,
            Some(7 | 91) => EntryMode::Contactless,
            Some(10) => EntryMode::OnFile,
            Some(80) => EntryMode::Fallback,
            Some(81) => EntryMode::Remote,
            _ => EntryMode::Unknown,
        })
    }

    /// Where the transaction comes from: by category 6011 a cash machine and by 6010 a branch; else by condition (field 25) 08
    /// mail or telephone, 59 e-commerce, and 00, 02 to 06 and 10 a merchant's terminal; else [`Channel::Other`].
    ///
    /// # Errors
    /// As [`Message::entry_mode`], of fields 18, 22 and 25.
    pub fn channel(&self) -> Result<Channel, FieldError> {
        Ok(match (self.merchant_category()?, self.condition_code()?) {
            (Some(6_011), _) => Channel::Atm,
            (Some(6_010), _) => Channel::Branch,
            (_, Some(8)) => Channel::Moto,
            (_, Some(59)) => Channel::Ecommerce,
            _ if self.entry()? == EntryMode::Remote => Channel::Ecommerce,
            (_, Some(0 | 2..=6 | 10)) => Channel::Pos,
            _ => Channel::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mti;

    #[test]
    fn the_last_rule_that_fits_decides() {
        let usage = Usage::iso1987();
        let kind = |class, transaction, condition| usage.kind(class, transaction, condition);
        assert_eq!(kind(Class::Authorization, 0, None), Some(Kind::Purchase));
        assert_eq!(kind(Class::Authorization, 0, Some(6)), Some(Kind::PreAuthorization));
        assert_eq!(kind(Class::Financial, 0, Some(6)), Some(Kind::Completion));
        assert_eq!(kind(Class::Financial, 1, Some(6)), Some(Kind::Cash));
        assert_eq!(kind(Class::Reversal, 77, None), Some(Kind::Reversal));
        assert_eq!(kind(Class::Financial, 77, None), None);
        assert_eq!(kind(Class::Network, 0, None), None);
        let usage = usage.with_kind(KindRule::new(Class::Financial, 0, Kind::Refund));
        assert_eq!(usage.kind(Class::Financial, 0, Some(6)), Some(Kind::Refund));
    }

    #[test]
    fn channels_and_entry_modes() {
        let channel = |category: &str, entry: &str, condition: &str| {
            let mut message = Message::new(Mti::FINANCIAL_REQUEST);
            for (field, value) in [(18, category), (22, entry), (25, condition)] {
                if !value.is_empty() {
                    message.set(field, value).unwrap();
                }
            }
            (message.channel().unwrap(), message.entry().unwrap())
        };
        assert_eq!(channel("6011", "051", "00"), (Channel::Atm, EntryMode::Chip));
        assert_eq!(channel("6010", "901", "00"), (Channel::Branch, EntryMode::Stripe));
        assert_eq!(channel("5411", "071", "00"), (Channel::Pos, EntryMode::Contactless));
        assert_eq!(channel("5411", "012", "08"), (Channel::Moto, EntryMode::Keyed));
        assert_eq!(channel("5411", "812", "00"), (Channel::Ecommerce, EntryMode::Remote));
        assert_eq!(channel("5411", "100", "59"), (Channel::Ecommerce, EntryMode::OnFile));
        assert_eq!(channel("5411", "801", "02"), (Channel::Pos, EntryMode::Fallback));
        assert_eq!(channel("", "", ""), (Channel::Other, EntryMode::Unknown));
        assert_eq!(channel("5411", "991", "77"), (Channel::Other, EntryMode::Unknown));
    }
}
