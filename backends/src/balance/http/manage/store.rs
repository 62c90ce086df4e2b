//! The configuration that holds: in memory, in its file, and in whoever serves by it. All three change together
//! or not at all.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::document::Document;
use super::refusal::Refusal;
use super::save;
use crate::balance::config::{self, ConfigError, ReloadError};
use crate::balance::http::config::HttpSettings;

/// Whoever serves by the services that are managed.
pub trait Live: fmt::Debug + Send + Sync + 'static {
    /// What a configuration's text, which came from `source_name`, says together with all that was said
    /// otherwise, such as by flags.
    ///
    /// # Errors
    /// [`ConfigError`], with everything that is wrong with it.
    fn read(&self, source_name: &str, text: &str) -> Result<HttpSettings, ConfigError>;

    /// Serves by other settings from now on. Requests that are under way end as they began.
    ///
    /// # Errors
    /// [`ReloadError`] when something is to change that needs a new start. Then nothing changes.
    fn replace(&self, settings: HttpSettings) -> Result<(), ReloadError>;

    /// How the backends of a service stand, as JSON; `None` where there is no such service.
    fn status(&self, service: &str) -> Option<Value>;
}

/// A configuration that can be changed while it holds. Changes are made one after the other, by whomever; each
/// is in the file before it is acknowledged.
#[derive(Debug)]
pub struct Store {
    file: PathBuf,
    live: Arc<dyn Live>,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    document: Document,
    /// What the file held when it was read or written last.
    text: String,
    /// What it has held since that could not be served by, and why.
    unread: Option<(String, String)>,
}

/// Why a configuration's file could not be taken again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreReloadError {
    /// It cannot be read, or is no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It changes what only a new start can.
    #[error("{}: {reason}", file.display())]
    Fixed {
        /// The file.
        file: PathBuf,
        /// What that is.
        reason: ReloadError,
    },
}

impl Store {
    /// The configuration of `file`, by which `live` serves from now on, if it did not already.
    ///
    /// # Errors
    /// [`StoreReloadError`]; then nothing changes.
    pub fn open(file: PathBuf, live: Arc<dyn Live>) -> Result<Self, StoreReloadError> {
        let current = taken(&file, config::read_file(&file)?, &*live)?;
        Ok(Self {
            file,
            live,
            current: Mutex::new(current),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file_name(&self) -> String {
        self.file.display().to_string()
    }

    /// Reads the file again and serves by it.
    ///
    /// # Errors
    /// [`StoreReloadError`]; then nothing changes.
    pub fn reload(&self) -> Result<(), StoreReloadError> {
        let mut current = self.lock();
        let text = config::read_file(&self.file)?;
        match taken(&self.file, text.clone(), &*self.live) {
            Ok(taken) => *current = taken,
            Err(error) => {
                current.unread = Some((text, error.to_string()));
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) fn document(&self) -> Document {
        self.lock().document.clone()
    }

    pub(super) fn status(&self, service: &str) -> Option<Value> {
        self.live.status(service)
    }

    /// Makes a change, and says what `edit` says of it.
    ///
    /// # Errors
    /// What `edit` refuses, and why what it made cannot be served by or saved. Then nothing changes.
    pub(super) fn change<T>(
        &self,
        edit: impl FnOnce(&mut Document) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut current = self.lock();
        let mut document = current.document.clone();
        let said = edit(&mut document)?;
        // As texts: other documents may differ in the order of their fields alone, and so in their tag.
        let text = document.text();
        if text != current.document.text() {
            self.take(&current, &text)?;
            *current = Current {
                document,
                text,
                unread: None,
            };
        }
        Ok(said)
    }

    fn take(&self, current: &Current, text: &str) -> Result<(), Refusal> {
        let before = &current.text;
        if text.len() as u64 > config::MOST_BYTES {
            let most = config::MOST_BYTES;
            return Err(Refusal::ConfigTooLong { most });
        }
        let settings = self.live.read(&self.file_name(), text)?;
        let now = config::read_file(&self.file)?;
        if now != *before {
            let file = self.file_name();
            // It may have been mended since.
            let unread = current.unread.clone().filter(|(text, _)| *text == now);
            return Err(match unread {
                Some((_, reason)) => Refusal::FileUnread { file, reason },
                None => Refusal::FileChanged { file },
            });
        }
        let save = |reason: std::io::Error| Refusal::Save {
            file: self.file_name(),
            reason: reason.to_string(),
        };
        // All that is likely to fail comes before anything changes.
        let prepared = save::prepare(&self.file, text).map_err(save)?;
        self.live.replace(settings)?;
        prepared.put_in_place().map_err(|reason| {
            self.go_back(before);
            save(reason)
        })
    }

    /// Serves again by what was served by before.
    fn go_back(&self, before: &str) {
        let undone = self.live.read(&self.file_name(), before);
        let undone = undone.map(|settings| self.live.replace(settings));
        if !matches!(undone, Ok(Ok(()))) {
            tracing::error!("a change that could not be saved could not be undone either");
        }
    }
}

/// What a file says, which holds this text, by which is served from now on.
fn taken(file: &Path, text: String, live: &dyn Live) -> Result<Current, StoreReloadError> {
    let settings = live.read(&file.display().to_string(), &text)?;
    let fixed = |reason| StoreReloadError::Fixed {
        file: file.to_owned(),
        reason,
    };
    live.replace(settings).map_err(fixed)?;
    let document = Document::of(&text);
    Ok(Current {
        document,
        text,
        unread: None,
    })
}
