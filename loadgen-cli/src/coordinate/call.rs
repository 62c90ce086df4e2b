//! Ending what waits for others before there is a run that could be stopped.

use std::time::Duration;

use tokio::sync::watch;

/// Whether looking for a coordinator was called off.
#[derive(Debug, Clone)]
pub(crate) struct CalledOff(watch::Receiver<bool>);

/// What calls off, and who looks whether it has.
pub(crate) fn call_off() -> (impl Fn() + Send + Sync + 'static, CalledOff) {
    let (sender, receiver) = watch::channel(false);
    let call_off = move || {
        // Nobody looks any more where it was found.
        let _ = sender.send(true);
    };
    (call_off, CalledOff(receiver))
}

impl CalledOff {
    /// Comes back once it is.
    pub(super) async fn wait(&mut self) {
        if self.0.wait_for(|it| *it).await.is_err() {
            // Nobody is left who could.
            std::future::pending::<()>().await;
        }
    }

    /// Waits for so long, or until it is; and whether it is.
    pub(super) fn within(&self, time: Duration) -> bool {
        #[expect(
            clippy::disallowed_methods,
            reason = "no load is made while a name is waited for"
        )]
        std::thread::sleep(time);
        *self.0.borrow()
    }
}
