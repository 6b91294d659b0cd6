use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::Status;
use twinrail_proto::grpc::internal::v1::Payload;

/// A message between directors could not be written or read: a bug, or a director of a build too far away.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("cannot write {what}: {source}")]
    Write { what: &'static str, source: rmp_serde::encode::Error },
    #[error("cannot read {what}: {source}")]
    Read { what: &'static str, source: rmp_serde::decode::Error },
}

/// MessagePack with named fields, so that neighbouring builds understand each other when fields were added.
pub fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<Payload, CodecError> {
    let data = rmp_serde::to_vec_named(value).map_err(|source| CodecError::Write { what, source })?;
    Ok(Payload { data })
}

pub fn decode<T: DeserializeOwned>(what: &'static str, payload: &Payload) -> Result<T, CodecError> {
    rmp_serde::from_slice(&payload.data).map_err(|source| CodecError::Read { what, source })
}

impl From<CodecError> for Status {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Write { .. } => Self::internal(error.to_string()),
            CodecError::Read { .. } => Self::invalid_argument(error.to_string()),
        }
    }
}
