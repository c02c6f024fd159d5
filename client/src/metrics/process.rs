//! What the kernel knows of this process, read when it is asked for.

use nix::unistd::{SysconfVar, sysconf};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

#[derive(Debug)]
pub(super) struct Process;

/// Fields of `/proc/self/stat` after the program's name, counted from its state: user and system time, start, pages.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const START_TICKS: usize = 19;
const RESIDENT_PAGES: usize = 21;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        // Where the kernel tells nothing (it is not Linux), nothing is told.
        let Some(stat) = stat() else { return Ok(()) };
        let of = |variable| sysconf(variable).ok().flatten().unwrap_or(1).max(1) as f64;
        let (ticks, page) = (of(SysconfVar::CLK_TCK), of(SysconfVar::PAGE_SIZE));
        let at = |position: usize| stat.get(position).copied().unwrap_or_default() as f64;
        let cpu = ConstCounter::new((at(USER_TICKS) + at(SYSTEM_TICKS)) / ticks);
        let described = encoder.encode_descriptor("process_cpu_seconds", "Time on CPUs", None, MetricType::Counter)?;
        cpu.encode(described)?;
        let mut gauge = |name: &str, help: &str, value: f64| {
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
        };
        gauge("process_resident_memory_bytes", "Memory in use", at(RESIDENT_PAGES) * page)?;
        gauge("process_open_fds", "Open files", open_files() as f64)?;
        gauge("process_start_time_seconds", "When the process began, since 1970", boot_time() + at(START_TICKS) / ticks)
    }
}

fn stat() -> Option<Vec<u64>> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect())
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// When the machine began, in seconds since 1970.
fn boot_time() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|seconds| seconds.trim().parse().ok()).unwrap_or_default()
}
