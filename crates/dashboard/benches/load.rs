//! The memory and the processor time of a dashboard, by the number of shards and of open pages.
//!
//! `--seconds N` sets the length of each measurement (20). `--long N` measures the memory over N seconds with ten polls a
//! second instead.

#![expect(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a measurement may fail"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ratelog_test_support::{Cluster, Server};

/// The ticks in a second of `/proc/PID/stat`.
const TICKS: f64 = 100.0;

struct Dashboard {
    process: Child,
    base: String,
    client: reqwest::Client,
}

impl Dashboard {
    fn start(url: &str, more: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_ratelog-dashboard"))
            .args([
                "--url",
                url,
                "--listen",
                "127.0.0.1:0",
                "--viewer-token",
                "a-token-of-a-viewer",
            ])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let link = lines.map(Result::unwrap).find(|line| line.contains("http://")).unwrap();
        let base = link.split("http://").nth(1).unwrap().split("/login").next().unwrap();
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("authorization", "Bearer a-token-of-a-viewer".parse().unwrap());
        let client = reqwest::Client::builder().default_headers(headers).build().unwrap();
        Self { process, base: format!("http://{base}"), client }
    }

    /// Opens a live page, which is read until it ends.
    fn open_page(&self) {
        let request = self.client.get(format!("{}/live/overview", self.base));
        tokio::spawn(async move {
            let mut response = request.send().await.unwrap().error_for_status().unwrap();
            while let Ok(Some(_)) = response.chunk().await {}
        });
    }

    /// The resident memory, in megabytes.
    fn memory(&self) -> f64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_000.0
    }

    /// The processor time so far, in seconds.
    fn processor_time(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / TICKS
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn option(name: &str) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map(|value| value.parse().expect("a number of seconds"))
}

/// Makes checks of 200 keys under 20 policies, so that every list has entries.
fn fill(cluster: &Cluster) {
    let first = ratelog_test_support::ClusterClient::by(&cluster[0]);
    let mut client = first;
    for policy in 0..20 {
        client.run::<()>(&format!("RL.POLICY SET policy:{policy} 5 1h"));
    }
    cluster.wait_for_equal_policies();
    for key in 0..2_000 {
        let command = format!("RL.CHECK key:{} POLICY policy:{}", key % 200, key % 20);
        client.run::<ratelog_client::redis::Value>(&command);
    }
}

async fn measure(shards: usize, pages: usize, length: Duration) {
    let cluster = Cluster::start(shards, 0);
    fill(&cluster);
    let dashboard =
        Dashboard::start(&format!("redis+cluster://127.0.0.1:{}", cluster[0].port()), &[]);
    for _ in 0..pages {
        dashboard.open_page();
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let commands = || {
        cluster
            .each_node()
            .map(|node| node.connect().info_number("total_commands_processed"))
            .sum::<i64>()
    };
    let (began, before, commands_before) = (Instant::now(), dashboard.processor_time(), commands());
    tokio::time::sleep(length).await;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = 100.0 * (dashboard.processor_time() - before) / seconds;
    let nodes = shards as f64;
    // Reading the counts is two commands of each node, and a node of a cluster runs none by itself.
    let rate = (commands() - commands_before) as f64 / nodes / seconds;
    println!("| {shards} | {pages} | {:.1} MB | {cpu:.1} % | {rate:.1} |", dashboard.memory());
}

async fn measure_long(length: Duration) {
    let server = Server::start();
    let url = format!("redis://127.0.0.1:{}", server.port());
    let dashboard = Dashboard::start(&url, &["--poll-interval", "100", "--demo"]);
    for _ in 0..10 {
        dashboard.open_page();
    }
    println!("| seconds | memory |\n| --- | --- |");
    let began = Instant::now();
    for step in 0..=6 {
        tokio::time::sleep((length * step / 6).saturating_sub(began.elapsed())).await;
        println!("| {:.0} | {:.1} MB |", began.elapsed().as_secs_f64(), dashboard.memory());
    }
}

#[tokio::main]
async fn main() {
    if let Some(seconds) = option("--long") {
        return measure_long(Duration::from_secs(seconds)).await;
    }
    let length = Duration::from_secs(option("--seconds").unwrap_or(20));
    println!(
        "| shards | open pages | memory | processor | commands a second, per node |\n| --- | --- | --- | --- | --- |"
    );
    for (shards, pages) in [(3, 0), (3, 100), (50, 0), (50, 100)] {
        measure(shards, pages, length).await;
    }
}
