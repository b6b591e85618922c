//! What a server counts, as a page that Prometheus reads (OpenMetrics text).
//!
//! Owns every name and its help. Labels are constants of the program; nothing that a client says is one. Not here: the
//! counting (`runtime/counters`), and where the page is served.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::logging;
use crate::runtime::counters::{ByLabel, Counters, Traffic};
use crate::runtime::gateway::Gateway;
use crate::runtime::hub::Hub;
use crate::runtime::rooms::RoomCounters;

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

    pub(crate) fn of_gateway(gateway: Arc<Gateway>) -> Self {
        let mut registry = Registry::with_prefix("presenced");
        registry.register_collector(Box::new(Relayed(gateway)));
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
        page.connections(self.0.connections(), counters)?;
        page.gauge("presences", "Presences on all topics together.", counters.presences())?;
        page.counters(
            "joins",
            "Joins, by what they came to: unmatched ones name a topic that no channel serves.",
            "result",
            &counters.joins,
        )?;
        let undecodable = counters.undecodable_messages();
        page.counter("undecodable_messages", "Messages that no serializer can read.", None, undecodable)?;
        page.traffic(counters.traffic())?;
        page.log()
    }
}

/// Reads a gateway's numbers when they are asked for.
struct Relayed(Arc<Gateway>);

impl fmt::Debug for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Relayed")
    }
}

impl Collector for Relayed {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let (gateway, relayed) = (&self.0, &self.0.relayed);
        page.connections(gateway.connections.len(), &gateway.counters)?;
        page.traffic(gateway.counters.traffic())?;
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        page.gauge(
            "gateway_pairs",
            "Pairs of a client's connection and one to the upstream that are open.",
            relayed.pairs.load(Ordering::Relaxed),
        )?;
        page.counter(
            "gateway_upstream_sent",
            "Content of messages that were passed to the upstream.",
            Some(&Unit::Bytes),
            read(&relayed.bytes_up),
        )?;
        page.counter(
            "gateway_upstream_received",
            "Content of messages of the upstream that were passed to clients.",
            Some(&Unit::Bytes),
            read(&relayed.bytes_down),
        )?;
        page.gauge(
            "gateway_paused_clients",
            "Clients that are not read, because the upstream takes nothing.",
            relayed.paused_clients.load(Ordering::Relaxed),
        )?;
        page.gauge(
            "gateway_paused_upstreams",
            "Connections to the upstream that are not read, because their client takes nothing.",
            relayed.paused_upstreams.load(Ordering::Relaxed),
        )?;
        page.gauge(
            "gateway_waiting_bytes",
            "How much waits for either side in all pairs together, in bytes.",
            i64::try_from(gateway.waiting_bytes()).unwrap_or(i64::MAX),
        )?;
        page.gauge(
            "gateway_upstream_available",
            "0 while the upstream refuses connections, else 1.",
            i64::from(gateway.upstream.is_available()),
        )?;
        page.seconds(
            "gateway_upstream_connect",
            "How long the connections took, TLS included, that the upstream took.",
            gateway.upstream.connect_seconds(),
        )?;
        page.labelled(
            "gateway_upstream_faults",
            "What went wrong with an upstream that takes connections, by kind.",
            "fault",
            gateway.upstream.faults(),
        )?;
        page.labelled(
            "gateway_dropped_messages",
            "Messages of documents and awareness that were dropped, by why.",
            "reason",
            relayed.drops(),
        )?;
        page.awareness(gateway.rooms.counters())?;
        page.log()
    }
}

/// A page being written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    /// What every server has of connections.
    fn connections(&mut self, open: usize, counters: &Counters) -> fmt::Result {
        self.gauge("connections", "Connections that are open.", i64::try_from(open).unwrap_or(i64::MAX))?;
        self.counters(
            "connections_opened",
            "Connections that were opened, by transport.",
            "transport",
            &counters.opened,
        )?;
        self.counters(
            "connections_closed",
            "Connections that have ended, by why.",
            "reason",
            &counters.closed,
        )?;
        self.counters(
            "connections_refused",
            "Connections that were not let in, by status: 4xx are all below 500 but 403.",
            "status",
            &counters.refused,
        )?;
        self.counter(
            "origins_refused",
            "Connections that were not let in because of their page's origin; they are among the refused ones.",
            None,
            counters.origins_refused(),
        )
    }

    fn traffic(&mut self, traffic: Traffic) -> fmt::Result {
        let Traffic { messages_in, bytes_in, frames_out, bytes_out, writes } = traffic;
        self.counter("received_messages", "Messages of clients.", None, messages_in)?;
        self.counter("received", "Content of clients' messages.", Some(&Unit::Bytes), bytes_in)?;
        self.counter("sent_frames", "Frames that were sent to clients.", None, frames_out)?;
        self.counter("sent", "Content of frames that were sent to clients.", Some(&Unit::Bytes), bytes_out)?;
        self.counter(
            "socket_writes",
            "Calls that wrote to a socket; one may carry many frames.",
            None,
            writes,
        )
    }

    /// What the process has of its log.
    fn log(&mut self) -> fmt::Result {
        self.counter(
            "log_lines_dropped",
            "Lines of the log that were dropped, because standard error did not take them.",
            None,
            logging::dropped_lines(),
        )
    }

    fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        metric.encode_counter::<NoLabels, _, u64>(&value, None)
    }

    fn seconds(&mut self, name: &str, help: &str, times: &Histogram) -> fmt::Result {
        times.encode(self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?)
    }

    fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        counts: &ByLabel<N>,
    ) -> fmt::Result {
        self.labelled(name, help, label, counts.read())
    }

    /// What a gateway has of awareness.
    fn awareness(&mut self, rooms: &RoomCounters) -> fmt::Result {
        self.gauge(
            "awareness_participants",
            "Participants of rooms that are connected.",
            rooms.participants(),
        )?;
        self.gauge(
            "awareness_unknown_participants",
            "Participants of whom the upstream has not said who they are: nobody is shown them.",
            rooms.unknown(),
        )?;
        self.counter(
            "awareness_received_messages",
            "Awareness messages of participants, echoes among them.",
            None,
            rooms.messages(),
        )?;
        self.counter(
            "awareness_updates",
            "States of their own that participants sent.",
            None,
            rooms.updates(),
        )?;
        self.counter(
            "awareness_sent_frames",
            "Awareness frames that participants were sent.",
            None,
            rooms.frames(),
        )?;
        self.counter("awareness_sent_states", "States in those frames.", None, rooms.entries())?;
        self.counter(
            "awareness_user_conflicts",
            "Answers of the upstream that named another user than before on the same connection.",
            None,
            rooms.other_users(),
        )?;
        self.labelled(
            "awareness_dropped_entries",
            "Entries of awareness messages that came to nothing, by why; echoes are others.",
            "reason",
            rooms.dropped(),
        )
    }

    fn labelled(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        counts: impl Iterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in counts {
            metric.encode_family(&[(label, value)])?.encode_counter::<NoLabels, _, u64>(&count, None)?;
        }
        Ok(())
    }
}

/// Of exemplars, of which there are none.
type NoLabels = [(&'static str, &'static str); 0];
