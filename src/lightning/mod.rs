//! What this server is for: the presence of OpenFn Lightning's workflow canvas.
//!
//! Owns the canvas channel, who may join it and what users look like, who is on which workflow, and who may edit.
//! Not here: how presence works (`presence`), what a channel is (`channel`).
//! Rules: Lightning 2.13, `Lightning.Workflows.Presence` and `LightningWeb.WorkflowChannel`.

mod canvas;
mod canvases;
pub mod clock;
mod database;
pub mod demo;
mod development;
mod leases;
mod login;
mod open_workflow;
mod people;
mod people_file;
mod presence;
mod room;
mod roster;
mod summary;
pub mod token;
mod user;
mod user_socket;

pub use canvas::{Canvas, Reviewed};
pub use canvases::Canvases;
pub use database::{
    BadDatabaseUrl, Database, DatabaseOptions, DatabaseUrl, Found, Generation, NoRootCertificates, Schema,
    Tls,
};
pub use development::Development;
pub use leases::{Leased, Leases, MOST_LEASES, Put, PutError, SessionName};
pub use login::Login;
pub use people::{Access, Account, Answer, People, Project, Run, Unavailable, Workflow};
pub use people_file::{BrokenFile, Directory, Notation, PeopleFile, PeopleFileError};
pub use presence::WorkflowPresence;
pub use room::{NoRoom, Room, View};
pub use summary::{PresencesSummary, SummaryParams, build_presences_summary};
pub use user::{User, UserPresence};
pub use user_socket::{UserSocket, Visitor, router};
