//! What a server counts, as a page that Prometheus reads (OpenMetrics text).
//!
//! Owns every name and its help. Labels are constants of the program; nothing that a client says is one. Not here: the
//! counting (`runtime/counters`), and where the page is served.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::logging;
use crate::runtime::counters::{ByLabel, Traffic};
use crate::runtime::hub::Hub;

/// The metrics of one server. All names begin with `presenced_`.
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// The media type of [`encode`](Self::encode).
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    pub(crate) fn of(hub: Arc<Hub>) -> Self {
        let mut registry = Registry::with_prefix("presenced");
        registry.register_collector(Box::new(Counted(hub)));
        Metrics { registry }
    }

    /// For further metrics, of what the server does not know of.
    pub fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// The page, with what the numbers are now.
    pub fn encode(&self) -> String {
        let mut page = String::new();
        text::encode(&mut page, &self.registry).expect("a String takes whatever is written");
        page
    }
}

/// Reads a server's numbers when they are asked for.
struct Counted(Arc<Hub>);

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

impl Collector for Counted {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let counters = self.0.counters();
        let connections = i64::try_from(self.0.connections()).unwrap_or(i64::MAX);
        page.gauge("connections", "Connections that are open.", connections)?;
        page.gauge("presences", "Presences on all topics together.", counters.presences())?;
        page.counters(
            "connections_opened",
            "Connections that were opened, by transport.",
            "transport",
            &counters.opened,
        )?;
        page.counters(
            "connections_closed",
            "Connections that have ended, by why.",
            "reason",
            &counters.closed,
        )?;
        page.counters(
            "connections_refused",
            "Connections that were not let in, by status: 4xx are all below 500 but 403.",
            "status",
            &counters.refused,
        )?;
        page.counters(
            "joins",
            "Joins, by what they came to: unmatched ones name a topic that no channel serves.",
            "result",
            &counters.joins,
        )?;
        let undecodable = counters.undecodable_messages();
        page.counter("undecodable_messages", "Messages that no serializer can read.", None, undecodable)?;
        let Traffic { messages_in, bytes_in, frames_out, bytes_out, writes } = counters.traffic();
        page.counter("received_messages", "Messages of clients.", None, messages_in)?;
        page.counter("received", "Content of clients' messages.", Some(&Unit::Bytes), bytes_in)?;
        page.counter("sent_frames", "Frames that were sent to clients.", None, frames_out)?;
        page.counter("sent", "Content of frames that were sent to clients.", Some(&Unit::Bytes), bytes_out)?;
        page.counter(
            "socket_writes",
            "Calls that wrote to a socket; one may carry many frames.",
            None,
            writes,
        )?;
        page.counter(
            "log_lines_dropped",
            "Lines of the process's log that were dropped, because standard error did not take them.",
            None,
            logging::dropped_lines(),
        )
    }
}

/// A page being written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        metric.encode_counter::<NoLabels, _, u64>(&value, None)
    }

    fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        counts: &ByLabel<N>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in counts.read() {
            metric.encode_family(&[(label, value)])?.encode_counter::<NoLabels, _, u64>(&count, None)?;
        }
        Ok(())
    }
}

/// Of exemplars, of which there are none.
type NoLabels = [(&'static str, &'static str); 0];
