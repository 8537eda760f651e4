//! The rounds. Each round measures every subject in its own database, with single calls and in pipelines.

use redis::{Connection, Value};

use ratelog_test_support::Samples;

use crate::{
    Outcome,
    host::Server,
    info::CommandStats,
    load::{KEYS, Load, key},
    options::Options,
    subject::Subject,
};

/// The results of one subject.
#[derive(Default)]
pub struct Measured {
    /// Server time per call in microseconds, with one call at a time on each connection.
    pub usec: Samples,
    /// Server time per call in microseconds, with sixteen calls in a pipeline.
    pub pipelined_usec: Samples,
    /// Calls per second, with sixteen calls in a pipeline.
    pub throughput: Samples,
}

impl Measured {
    /// Measures the subject once more.
    ///
    /// # Errors
    /// The server fails, or the subject's calls had a wrong result.
    pub fn add_round(
        &mut self,
        options: &Options,
        server: &Server,
        database: u8,
        subject: &Subject,
    ) -> Outcome<()> {
        let calls = options.single_calls() / subject.fewer;
        let (usec, _) = measure(server, database, subject, calls, 1)?;
        self.usec.push(usec);
        let calls = options.pipelined_calls() / subject.fewer;
        let (usec, throughput) = measure(server, database, subject, calls, 16)?;
        self.pipelined_usec.push(usec);
        self.throughput.push(throughput);
        Ok(())
    }
}

/// # Errors
/// The server fails, or a subject's calls had a wrong result.
pub fn run(options: &Options, server: &Server, subjects: &[Subject]) -> Outcome<Vec<Measured>> {
    let mut measured: Vec<_> = subjects.iter().map(|_| Measured::default()).collect();
    for round in 1..=options.rounds() {
        eprintln!("round {round} of {}", options.rounds());
        for (database, (subject, measured)) in (1..).zip(subjects.iter().zip(&mut measured)) {
            measured.add_round(options, server, database, subject)?;
        }
    }
    Ok(measured)
}

fn measure(
    server: &Server,
    database: u8,
    subject: &Subject,
    calls: u64,
    pipeline: u16,
) -> Outcome<(f64, f64)> {
    let connection = &mut server.connect(database)?;
    if let Some(setting) = subject.setting {
        configure(connection, setting.name, setting.value)?;
    }
    if let Some((times, command)) = &subject.prepare {
        for _ in 0..*times {
            on_every_key(connection, command)?;
        }
    }
    let before = counted(connection, subject)?;
    CommandStats::reset(connection)?;
    let load = Load { port: server.port, database, command: &subject.command, calls, pipeline };
    let throughput = load.run()?;
    let stats = CommandStats::read(connection, &subject.command[0])?;
    let added = counted(connection, subject)? - before;
    let per_call = subject.count.as_ref().map_or(0, |count| count.per_call);
    if added != stats.calls * per_call {
        let calls = stats.calls;
        return Err(format!("{}: {calls} calls counted {added}", subject.name).into());
    }
    sample(connection, subject)?;
    redis::cmd("FLUSHDB").arg("SYNC").exec(connection)?;
    if let Some(setting) = subject.setting {
        configure(connection, setting.name, setting.otherwise)?;
    }
    Ok((stats.usec_per_call(), throughput))
}

fn configure(connection: &mut Connection, name: &str, value: &str) -> Outcome<()> {
    Ok(redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec(connection)?)
}

pub fn on_every_key(connection: &mut Connection, command: &[String]) -> Outcome<Vec<Value>> {
    let mut pipeline = redis::pipe();
    for number in 0..KEYS {
        let key = key(number);
        for (place, word) in command.iter().enumerate() {
            let word = if word == "{key}" { &key } else { word };
            if place == 0 {
                pipeline.cmd(word)
            } else {
                pipeline.arg(word)
            };
        }
    }
    Ok(pipeline.query(connection)?)
}

/// Returns the total count of all of the subject's keys.
fn counted(connection: &mut Connection, subject: &Subject) -> Outcome<u64> {
    let Some(count) = &subject.count else {
        return Ok(0);
    };
    let command = [count.command.to_owned(), "{key}".to_owned()];
    let mut sum = 0;
    for value in on_every_key(connection, &command)? {
        sum += match value {
            Value::Nil => 0,
            Value::Array(fields) => units(&fields)?,
            value => redis::from_redis_value(value)?,
        };
    }
    Ok(sum)
}

/// Returns the units in an `RL.INSPECT` reply.
fn units(fields: &[Value]) -> Outcome<u64> {
    let field = fields.chunks(2).find(|field| field[0] == Value::BulkString(b"units".to_vec()));
    let value = field.and_then(|field| field.get(1)).ok_or("RL.INSPECT returned no units")?;
    Ok(redis::from_redis_value(value.clone())?)
}

/// Calls the command on a hundred keys and checks the replies.
fn sample(connection: &mut Connection, subject: &Subject) -> Outcome<()> {
    let Some(first) = subject.first else {
        return Ok(());
    };
    for number in 0..100 {
        let key = key(number);
        let mut command = redis::Cmd::new();
        for word in &subject.command {
            command.arg(if word == "{key}" { &key } else { word });
        }
        let reply: Vec<i64> = command.query(connection)?;
        if reply.first() != Some(&first) {
            return Err(format!("{}: the reply for {key} was {reply:?}", subject.name).into());
        }
    }
    Ok(())
}
