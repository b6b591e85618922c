//! The people source of a deployment without a database: a file, in TOML or JSON, taken up anew when it changes.
//!
//! Owns the directory in force. A file that is broken when it changes leaves the old directory in force.

mod directory;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use parking_lot::RwLock;
use smol_str::SmolStr;
use thiserror::Error;
use tracing::{info, warn};

pub use self::directory::{BrokenFile, Directory, Notation};
use super::login::Login;
use super::people::{Access, Account, Answer, People, Project, Workflow};
use super::user::User;
use crate::channel::{ConnectInfo, Refusal};

/// People out of a file.
pub struct PeopleFile {
    path: PathBuf,
    login: Login,
    inner: RwLock<InForce>,
}

/// What is in force, and which state of the file was looked at last.
struct InForce {
    directory: Arc<Directory>,
    seen: Option<Stamp>,
}

/// What tells one state of a file from another: device, inode, size, and when content and entry last changed, in
/// seconds and nanoseconds. Size and time alone can stay the same where a file is replaced.
type Stamp = [i128; 7];

/// Why a people file cannot be used.
#[derive(Debug, Error)]
pub enum PeopleFileError {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Its content is of no use.
    #[error("{path}: {broken}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        broken: BrokenFile,
    },
}

impl PeopleFile {
    /// Reads a file: JSON where its name ends in `.json`, TOML otherwise.
    ///
    /// # Errors
    /// [`PeopleFileError`].
    pub fn open(path: impl Into<PathBuf>, login: Login) -> Result<Self, PeopleFileError> {
        let path = path.into();
        let seen = stamp(&path);
        let directory = Arc::new(read(&path)?);
        Ok(PeopleFile { path, login, inner: RwLock::new(InForce { directory, seen }) })
    }

    /// Whether people are who they say they are, because nothing proves it.
    pub fn believes_everybody(&self) -> bool {
        matches!(self.login, Login::Claimed)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How a connection says whose it is.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// Takes up changes of the file for ever, looking every second.
    pub async fn watch(&self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            self.look();
        }
    }

    /// Takes up the file if it has changed. While it is broken, what was in force stays so; the log says it once.
    pub fn look(&self) {
        let seen = stamp(&self.path);
        if seen == self.inner.read().seen {
            return;
        }
        let directory = read(&self.path);
        let mut inner = self.inner.write();
        inner.seen = seen;
        match directory {
            Ok(directory) => {
                inner.directory = Arc::new(directory);
                info!(path = %self.path.display(), "the people file was taken up");
            }
            Err(error) => warn!(%error, "the people file is of no use; what was in force stays so"),
        }
    }

    fn directory(&self) -> Arc<Directory> {
        self.inner.read().directory.clone()
    }
}

impl People for PeopleFile {
    fn account<'a>(&'a self, info: &'a ConnectInfo) -> BoxFuture<'a, Result<Account, Refusal>> {
        let id = self.login.user_id(info);
        let user = id.and_then(|id| self.directory().user(&id).cloned());
        let account = user.map(|user| Account { user: Arc::new(user), login_session: None });
        ready(account.ok_or(Refusal::FORBIDDEN)).boxed()
    }

    fn project<'a>(&'a self, id: &'a str, user: &'a User) -> Answer<'a, Option<Project>> {
        let access = self.directory().access(id, &user.id);
        ready(Ok(access.map(|access| Project { id: id.to_owned(), access }))).boxed()
    }

    fn workflow<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Workflow>> {
        let project = self.directory().project_of(id).map(str::to_owned);
        ready(Ok(project.map(|project_id| Workflow { project_id, deleted: false }))).boxed()
    }

    fn has_snapshot<'a>(&'a self, workflow: &'a str, version: i64) -> Answer<'a, bool> {
        ready(Ok(self.directory().has_snapshot(workflow, version))).boxed()
    }

    fn viewers<'a>(&'a self, project: &'a str) -> Answer<'a, Arc<[String]>> {
        ready(Ok(self.directory().viewers(project))).boxed()
    }

    fn still_in<'a>(&'a self, accounts: &'a [Account]) -> Answer<'a, Vec<bool>> {
        let directory = self.directory();
        let still_in = accounts.iter().map(|account| directory.user(&account.user.id).is_some());
        ready(Ok(still_in.collect())).boxed()
    }

    fn access<'a>(&'a self, pairs: &'a [(SmolStr, SmolStr)]) -> Answer<'a, Vec<Access>> {
        let directory = self.directory();
        let access = pairs.iter().map(|(user, project)| directory.access(project, user));
        ready(Ok(access.map(|access| access.unwrap_or(Access::None)).collect())).boxed()
    }
}

fn read(path: &Path) -> Result<Directory, PeopleFileError> {
    let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let notation = if json { Notation::Json } else { Notation::Toml };
    let unreadable = |error| PeopleFileError::Unreadable { path: path.to_owned(), error };
    // A pipe or a device would be waited for.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("not a regular file")));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Directory::read(&text, notation)
        .map_err(|broken| PeopleFileError::Broken { path: path.to_owned(), broken })
}

/// `None` where there is no file to look at.
fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    let times = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()].map(i128::from);
    let [modified, modified_ns, changed, changed_ns] = times;
    let [device, inode, size] = [file.dev(), file.ino(), file.size()].map(i128::from);
    Some([device, inode, size, modified, modified_ns, changed, changed_ns])
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
