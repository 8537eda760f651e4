use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response: the service's, or a short one by the layer.
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
        Layer { bytes: Option<Bytes> },
    }
}

impl<B> ResponseBody<B> {
    pub(super) const fn of_service(body: B) -> Self {
        Self { from: From::Service { body } }
    }

    pub(super) fn of_layer(bytes: Bytes) -> Self {
        Self { from: From::Layer { bytes: Some(bytes).filter(|bytes| !bytes.is_empty()) } }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().from.project() {
            FromProjection::Service { body } => body.poll_frame(context),
            FromProjection::Layer { bytes } => Poll::Ready(bytes.take().map(Frame::data).map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.from {
            From::Service { body } => body.is_end_stream(),
            From::Layer { bytes } => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            From::Service { body } => body.size_hint(),
            From::Layer { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}
