use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use pin_project_lite::pin_project;

/// The error of a body.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A body of the layer's own responses.
pub(super) type LayerBody = UnsyncBoxBody<Bytes, BoxError>;

pub(super) fn boxed<B>(body: B) -> LayerBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}

pin_project! {
    /// The body of a response: the service's, or one by the layer.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        from: From<B>,
    }
}

pin_project! {
    #[project = FromProjection]
    #[derive(Debug)]
    enum From<B> {
        Service { #[pin] body: B },
        Layer { #[pin] body: LayerBody },
    }
}

impl<B> ResponseBody<B> {
    pub(super) const fn of_service(body: B) -> Self {
        Self { from: From::Service { body } }
    }

    pub(super) const fn of_layer(body: LayerBody) -> Self {
        Self { from: From::Layer { body } }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B>
where
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().from.project() {
            FromProjection::Service { body } => {
                body.poll_frame(context).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            FromProjection::Layer { body } => body.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.from {
            From::Service { body } => body.is_end_stream(),
            From::Layer { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            From::Service { body } => body.size_hint(),
            From::Layer { body } => body.size_hint(),
        }
    }
}
