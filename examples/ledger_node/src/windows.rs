//! For how long a transaction that is made here may wait for its block.

use ledger::{Chain, Window};

/// One that this node signs alone, and makes again if it came to nothing.
pub(crate) fn own(chain: &Chain) -> Window {
    from_now(chain, 1_000)
}

/// One that users have yet to sign.
pub(crate) fn users(chain: &Chain) -> Window {
    from_now(chain, 5_000)
}

/// One that people of several nodes have to agree on: as long as the policy lets any wait.
pub(crate) fn motion(chain: &Chain) -> Window {
    from_now(chain, u64::MAX)
}

fn from_now(chain: &Chain, blocks: u64) -> Window {
    let most = chain.state().genesis().policy().window_max;
    Window::new(chain.next_height(), blocks.min(most))
}
