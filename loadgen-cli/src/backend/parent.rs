//! Ending with the process that started this one, whatever becomes of it.
//!
//! A process that is alive notices that its standard input has ended. One that is stopped does not, so the
//! kernel is asked to kill it when its parent dies.

use std::io::{self, Read};
use std::thread;

/// From here on this process dies with the thread that started it, and `told` is called when standard input
/// ends.
///
/// # Errors
/// When the system refuses.
pub(crate) fn follow(told: impl FnOnce() + Send + 'static) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // A parent that was gone before that has closed its end.
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let mut buffer = [0; 64];
            let mut stdin = io::stdin().lock();
            while stdin.read(&mut buffer).is_ok_and(|read| read > 0) {}
            told();
        })?;
    Ok(())
}
