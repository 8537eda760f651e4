//! Commands for a slot that a cluster moves to another node.

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, Value};

use crate::command::Command;
use crate::{AsyncCommands, Error};

/// Sends `ASKING` directly before each command, as an `ASK` error demands.
#[derive(Clone)]
pub(super) struct Asking(pub(super) MultiplexedConnection);

impl AsyncCommands for Asking {
    async fn rl_query<T: Send>(&mut self, command: &Command<T>) -> Result<T, Error> {
        command.parse_result(self.req_packed_command(command.cmd()).await)
    }
}

impl ConnectionLike for Asking {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            // All callers share the connection. Only the commands of a pipeline stay together.
            let mut pipeline = redis::pipe();
            pipeline.cmd("ASKING").add_command(cmd.clone());
            let replies = self.0.req_packed_commands(&pipeline, 1, 1).await?;
            replies.into_iter().next().unwrap_or(Value::Nil).extract_error()
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.0.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}
