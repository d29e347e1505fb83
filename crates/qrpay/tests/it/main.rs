//! The checklist of the spec and the rules between its lines, through the public interface alone.

mod bank;
mod bindings;
mod codes;
mod issuing;
mod policies;
mod redeeming;
mod refunding;
mod replies;
mod robustness;
mod secrets;
mod settling;
mod steps;
