//! The document of one room, with `yrs` as in `y_ex`.

use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Any, Array, ArrayPrelim, Doc, Map, MapPrelim, ReadTxn, StateVector, TextPrelim, Transact, Update};

/// A workflow's document.
pub struct Document(Doc);

impl Document {
    /// The document of a workflow as it was last saved. It is the same in each process: its items are those of client 1.
    /// The ids `<n>kb-…` and `<n>mb-…` stand for workflows whose first job is so long.
    pub fn saved(workflow: &str) -> Self {
        let saved = Doc::with_client_id(1);
        seed(&saved, workflow);
        let document = Document(Doc::new());
        let update = saved.transact().encode_state_as_update_v1(&StateVector::default());
        document.apply(&update).expect("it was encoded just now");
        document
    }

    /// The answer to a sync step 1; `None` where the state vector cannot be read.
    pub fn diff(&self, state_vector: &[u8]) -> Option<Vec<u8>> {
        let vector = StateVector::decode_v1(state_vector).ok()?;
        Some(self.0.transact().encode_diff_v1(&vector))
    }

    /// What the document has.
    pub fn state_vector(&self) -> Vec<u8> {
        self.0.transact().state_vector().encode_v1()
    }

    /// Takes an update; what of it was news, `None` where nothing was, or where it cannot be read.
    pub fn apply(&self, update: &[u8]) -> Option<Vec<u8>> {
        let update = Update::decode_v1(update).ok()?;
        let mut transaction = self.0.transact_mut();
        transaction.apply_update(update).ok()?;
        let news = transaction.encode_update_v1();
        (news != NOTHING).then_some(news)
    }

    /// Saves the workflow: its lock version, one more than before, and the update that says so.
    pub fn save(&self) -> (i64, Vec<u8>) {
        let workflow = self.0.get_or_insert_map("workflow");
        let mut transaction = self.0.transact_mut();
        let before: f64 = workflow.get_as(&transaction, "lock_version").unwrap_or_default();
        let saved = before as i64 + 1;
        workflow.insert(&mut transaction, "lock_version", saved as f64);
        (saved, transaction.encode_update_v1())
    }

    /// The workflow's name, as the document has it now.
    pub fn name(&self) -> String {
        let workflow = self.0.get_or_insert_map("workflow");
        workflow.get_as(&self.0.transact(), "name").unwrap_or_default()
    }
}

/// What Lightning's serializer makes of a workflow with one trigger and one job, item by item in a fixed order.
fn seed(doc: &Doc, id: &str) {
    let workflow = doc.get_or_insert_map("workflow");
    let jobs = doc.get_or_insert_array("jobs");
    let triggers = doc.get_or_insert_array("triggers");
    let edges = doc.get_or_insert_array("edges");
    let positions = doc.get_or_insert_map("positions");
    doc.get_or_insert_map("errors");
    let mut transaction = doc.transact_mut();
    for (key, value) in [
        ("id", Any::from(id)),
        ("name", Any::from(format!("Workflow {id}"))),
        ("lock_version", Any::from(1.0)),
        ("deleted_at", Any::Null),
        ("concurrency", Any::Null),
        ("enable_job_logs", Any::Bool(true)),
    ] {
        workflow.insert(&mut transaction, key, value);
    }
    let job = jobs.push_back(&mut transaction, MapPrelim::default());
    for (key, value) in [("id", "j1"), ("name", "First"), ("adaptor", "@openfn/language-common@latest")] {
        job.insert(&mut transaction, key, value);
    }
    let body = if size(id) == 0 { "fn(state => state)".to_owned() } else { "0123456789abcdef".repeat(size(id) / 16) };
    job.insert(&mut transaction, "body", TextPrelim::new(body));
    let trigger = triggers.push_back(&mut transaction, MapPrelim::default());
    for (key, value) in [("id", "t1"), ("type", "webhook")] {
        trigger.insert(&mut transaction, key, value);
    }
    let edge = edges.push_back(&mut transaction, MapPrelim::default());
    for (key, value) in [("id", "e1"), ("source_trigger_id", "t1"), ("target_job_id", "j1")] {
        edge.insert(&mut transaction, key, value);
    }
    positions.insert(&mut transaction, "j1", ArrayPrelim::from([0.0, 150.0]));
}

/// How many bytes the first job has, by the workflow's id; 0 for an ordinary one.
fn size(id: &str) -> usize {
    let Some((size, _)) = id.split_once('-') else { return 0 };
    for (unit, bytes) in [("kb", 1_000), ("mb", 1_000_000)] {
        if let Some(Ok(number)) = size.strip_suffix(unit).map(str::parse::<usize>) {
            return number * bytes;
        }
    }
    0
}

/// An update without structs and without deletions.
const NOTHING: [u8; 2] = [0, 0];
