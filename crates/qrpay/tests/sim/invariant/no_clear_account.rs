//! No row holds a clear account number (design: `AccountRef`; spec Qd10).

use crate::bank::Bank;
use crate::view::View;

pub(super) fn holds(bank: &Bank, view: &View) -> Result<(), String> {
    for (key, row) in &view.raw {
        for device in &bank.devices {
            let clear = device.account.expose();
            let shows = |bytes: &[u8]| bytes.windows(clear.len()).any(|part| part == clear);
            if shows(key.as_bytes()) || shows(&row.value) {
                return Err(format!("a clear account number in {key:?}"));
            }
        }
    }
    Ok(())
}
