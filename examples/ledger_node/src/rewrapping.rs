//! Documents of a node are wrapped anew for its newest sealing key; then former keys go.

use crate::config::Config;
use crate::control::Question;
use crate::desk::{POLL, ask_of};
use crate::failure::Failure;
use crate::options::Rewrap;
use crate::progress;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Has a node go through its documents, and returns when it is through.
pub(crate) async fn rewrap(options: &Rewrap) -> Result<Value, Failure> {
    let config = Config::load(&options.at.config)?;
    let until = Instant::now() + Duration::from_secs(options.timeout_s);
    let line = progress::line();
    let mut pass = None;
    loop {
        match ask_of(&config, &Question::Rewrap { pass }).await {
            Ok(mut answer) if answer["is_done"] == true => {
                line.finish_and_clear();
                if let Some(why) = answer["failed"].as_str() {
                    return Err(Failure::run(why));
                }
                answer["node"] = config.file.name.as_str().into();
                if let Some(answer) = answer.as_object_mut() {
                    answer.remove("is_done");
                }
                return Ok(answer);
            }
            Ok(answer) => {
                pass = answer["pass"].as_u64();
                line.set_message(format!("{} documents are left", answer["left"]));
            }
            // One that was stopped and comes back begins anew, and finds done what is done.
            Err(Failure::Away { .. } | Failure::Usage(_)) if pass.is_some() => {}
            Err(why) => return Err(why),
        }
        if Instant::now() >= until {
            line.finish_and_clear();
            let why = "not all documents are wrapped anew yet; the node goes on, ask again";
            return Err(Failure::Unfinished(why.into()));
        }
        tokio::time::sleep(POLL).await;
    }
}
