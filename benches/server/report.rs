//! The report: Markdown tables of figures, ratios and targets.

use std::fmt::Write as _;

use ratelog_test_support::Samples;

use crate::{
    full_log::FullLogs,
    memory::Memory,
    readers::Readers,
    replication::Replicated,
    rounds::Measured,
    several::Several,
    subject::{ALLOWED, BASELINE, DENIED, Subject, UNDER_POLICY, UNRANKED, UNRANKED_DENIED},
    worst::Worst,
};

const MILLISECOND: f64 = 1000.0;

/// All measurements.
pub struct Report<'a> {
    pub machine: String,
    pub rounds: usize,
    pub subjects: &'a [Subject],
    pub measured: &'a [Measured],
    pub several: Several,
    pub logs: FullLogs,
    pub worst: Worst,
    /// The number of checks that took over a millisecond in all rounds, and the longest.
    pub slow: (usize, u32),
    pub readers: Readers,
    pub memory: Vec<Memory>,
    pub replicated: Replicated,
    pub footnotes: Vec<String>,
}

impl Report<'_> {
    pub fn markdown(&self) -> String {
        let mut text = format!("# Benchmarks\n\n{}\n", self.machine);
        let _ = writeln!(
            text,
            "Everything ran in one server: {} rounds, with every subject in turn. A figure is the \
             rounds' median (least–most); a ratio is the median of the rounds' own ratios.",
            self.rounds
        );
        self.server_time(&mut text);
        self.throughput(&mut text);
        self.compared(&mut text);
        self.full_logs(&mut text);
        text.push_str(&self.readers.markdown());
        self.memory(&mut text);
        self.replication(&mut text);
        for footnote in &self.footnotes {
            let _ = writeln!(text, "\n{footnote}");
        }
        text
    }

    fn server_time(&self, text: &mut String) {
        text.push_str(
            "\n## Server time per call\n\nMicroseconds by `INFO commandstats`, without pipelining and with 16 \
             calls in a pipeline; 10,000 keys at random. The target is for the first.\n\n\
             | subject | µs | / `INCR` | target | | µs, pipelined | / `INCR` |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        let baseline = &self.measured[BASELINE];
        for (subject, measured) in self.subjects.iter().zip(self.measured) {
            let ratio = measured.usec.over(&baseline.usec).median();
            let pipelined = measured.pipelined_usec.over(&baseline.pipelined_usec).median();
            let _ = writeln!(
                text,
                "| {} | {} | {ratio:.2} | {} | {} | {pipelined:.2} |",
                subject.name,
                spread(&measured.usec, 3),
                target_cell(subject.target.map(|most| (format!("<= {most}"), ratio <= most))),
                spread(&measured.pipelined_usec, 3),
            );
        }
    }

    fn throughput(&self, text: &mut String) {
        text.push_str(
            "\n## Pipelined throughput\n\nThousands of calls per second by `redis-benchmark -P 16`.\n\n\
             | subject | 1,000/s | / `INCR` | target | |\n| --- | --- | --- | --- | --- |\n",
        );
        let baseline = &self.measured[BASELINE];
        for (number, (subject, measured)) in self.subjects.iter().zip(self.measured).enumerate() {
            let ratio = measured.throughput.over(&baseline.throughput).median();
            let target = (number == ALLOWED).then(|| (">= 0.8".to_owned(), ratio >= 0.8));
            let _ = writeln!(
                text,
                "| {} | {} | {ratio:.2} | {} |",
                subject.name,
                spread(&measured.throughput.scaled(0.001), 0),
                target_cell(target),
            );
        }
    }

    fn compared(&self, text: &mut String) {
        text.push_str(
            "\n## Other costs\n\nServer time per call, compared pairwise, one call at a time and 16 in \
             a pipeline; for three keys the time of the whole, with 48 keys in each pipeline.\n\n\
             | what | against | ratio | target | | ratio, pipelined |\n\
             | --- | --- | --- | --- | --- | --- |\n",
        );
        for (what, against, this, that) in [
            ("rankings (`rl.top-k 64`), allowed", "`rl.top-k 0`", ALLOWED, UNRANKED),
            ("rankings (`rl.top-k 64`), denied", "`rl.top-k 0`", DENIED, UNRANKED_DENIED),
            ("a check under a policy", "the same rules inline", UNDER_POLICY, ALLOWED),
        ] {
            let (this, that) = (&self.measured[this], &self.measured[that]);
            let ratio = this.usec.over(&that.usec).median();
            let pipelined = this.pipelined_usec.over(&that.pipelined_usec).median();
            let target = target_cell(Some(("<= 1.1".to_owned(), ratio <= 1.1)));
            let _ =
                writeln!(text, "| {what} | {against} | {ratio:.2} | {target} | {pipelined:.2} |");
        }
        let ratio = self.several.at_once.over(&self.several.pipelined).median();
        let target = target_cell(Some(("< 1".to_owned(), ratio < 1.0)));
        let _ = writeln!(
            text,
            "| `RL.MCHECK` of three keys: {} µs | three checks: {} µs | {ratio:.2} | {target} | |",
            spread(&self.several.at_once, 2),
            spread(&self.several.pipelined, 2),
        );
    }

    fn full_logs(&self, text: &mut String) {
        text.push_str(
            "\n## Long logs\n\nOne key with a full log: ten units, or a million at a million instants. *Sliding* \
             checks come in bursts of five as units expire, all allowed; the others are all denied.\n\n\
             | check | µs, limit 10 | µs, limit 1,000,000 | ratio | target | |\n\
             | --- | --- | --- | --- | --- | --- |\n",
        );
        let logs = &self.logs;
        for (name, ten, million) in [
            ("denied", &logs.denied_ten, &logs.denied_million),
            ("allowed, sliding", &logs.sliding_ten, &logs.sliding_million),
        ] {
            let ratio = million.over(ten).median();
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {ratio:.2} | {} |",
                spread(ten, 3),
                spread(million, 3),
                target_cell(Some(("<= 1.3".to_owned(), ratio <= 1.3))),
            );
        }
        text.push_str("\n| longest single check | µs | target | |\n| --- | --- | --- | --- |\n");
        for (name, samples) in [
            ("finds a million units outside its window", &self.worst.skipped),
            ("finds a million units past their retention, and drops them", &self.worst.dropped),
        ] {
            let met = samples.most() <= MILLISECOND;
            let _ = writeln!(
                text,
                "| {name} | {} | {} |",
                spread(samples, 0),
                target_cell(Some(("<= 1000".to_owned(), met)))
            );
        }
        let (calls, longest) = self.slow;
        let _ = writeln!(
            text,
            "\nOf all other checks, {calls} took more than 1 ms{}. (Checks are timed by the wall clock: if \
             the server shares its core, pauses by the scheduler count.)",
            if calls == 0 { String::new() } else { format!(", the longest {longest} µs") }
        );
    }

    fn memory(&self, text: &mut String) {
        text.push_str(
            "\n## Memory\n\nBytes. *Grown* is the growth of `used_memory` for each key, with the key's name, its \
             dictionary entries and its expiry.\n\n\
             | key | `MEMORY USAGE` | per unit | grown | per unit | target | |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for memory in &self.memory {
            let own = memory.name.starts_with("log");
            let each = |bytes: i64| ratio(bytes, memory.units);
            let target = match memory.units {
                _ if !own => None,
                1000 => Some(("<= 3 per unit".to_owned(), each(memory.reported) <= 3.0)),
                _ => Some(("<= 200 per key".to_owned(), memory.reported <= 200)),
            };
            let _ = writeln!(
                text,
                "| {} | {} | {:.2} | {} | {:.2} | {} |",
                memory.name,
                memory.reported,
                each(memory.reported),
                memory.grown,
                each(memory.grown),
                target_cell(target),
            );
        }
    }

    fn replication(&self, text: &mut String) {
        let Replicated { denied, allowed, incr, check } = &self.replicated;
        let _ = writeln!(
            text,
            "\n## Replication\n\nBytes in the replication stream for 10,000 checks, with a replica attached.\n\n\
             | checks | bytes | target | |\n| --- | --- | --- | --- |\n\
             | denied | {denied} | {} |\n| allowed | {allowed} | {} |",
            target_cell(Some(("0".to_owned(), *denied == 0))),
            target_cell(None),
        );
        text.push_str(
            "\nWith a replica attached, so that effects are built and sent:\n\n\
             | subject | µs | / `INCR` | 1,000/s, pipelined | / `INCR` |\n| --- | --- | --- | --- | --- |\n",
        );
        for (name, measured) in [("INCR on keys with a TTL", incr), ("RL.CHECK allowed", check)] {
            let _ = writeln!(
                text,
                "| {name} | {} | {:.2} | {} | {:.2} |",
                spread(&measured.usec, 3),
                measured.usec.over(&incr.usec).median(),
                spread(&measured.throughput.scaled(0.001), 0),
                measured.throughput.over(&incr.throughput).median(),
            );
        }
    }
}

fn spread(samples: &Samples, digits: usize) -> String {
    let (least, median, most) = (samples.least(), samples.median(), samples.most());
    format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
}

/// Returns two cells of a table: a target, and whether it is met.
pub fn target_cell(target: Option<(String, bool)>) -> String {
    match target {
        Some((target, true)) => format!("{target} | met"),
        Some((target, false)) => format!("{target} | **missed**"),
        None => "| ".to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "two decimals are printed")]
fn ratio(bytes: i64, units: i64) -> f64 {
    bytes as f64 / units as f64
}
