//! The task that owns the application's `handle_metas` hook.

use std::panic::{AssertUnwindSafe, catch_unwind};

use smol_str::SmolStr;
use tokio::sync::mpsc;
use tracing::error;

use crate::channel::HandleMetas;
use crate::presence::{Accumulated, Presences};
use crate::wire::Excerpt;

/// One diff that was broadcast.
pub(crate) struct Changed {
    pub(crate) topic: SmolStr,
    pub(crate) joins: Presences,
    pub(crate) leaves: Presences,
}

/// Hands every diff to the hook, one after the other, until nobody can send one any more.
pub(crate) async fn run(mut hook: Box<dyn HandleMetas>, mut changes: mpsc::UnboundedReceiver<Changed>) {
    let mut accumulated = Accumulated::default();
    while let Some(Changed { topic, joins, leaves }) = changes.recv().await {
        let present = accumulated.apply(&topic, &joins, &leaves);
        let call = AssertUnwindSafe(|| hook.handle_metas(&topic, &joins, &leaves, present));
        if catch_unwind(call).is_err() {
            error!(topic = %Excerpt(&topic), "handle_metas panicked; it goes on with the next diff");
        }
    }
}
