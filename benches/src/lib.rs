//! What the benches share: nothing but a place in this workspace.
