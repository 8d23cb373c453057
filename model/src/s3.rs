//! Amazon S3: GetObject, path style and virtual-hosted style.

use crate::{ApiError, Request, params::Params, state::State};

/// The action with `Bucket` and `Key` as parameters.
pub(crate) fn read(request: &Request) -> (String, Params) {
    let (path, _) = request.target();
    let path = path.strip_prefix('/').unwrap_or(path);
    let host = request.host();
    // `bucket.s3.eu-west-1.amazonaws.com`, or `bucket.s3.localhost:8080` on loopback.
    let virtual_bucket = host.split_once(".s3.").or_else(|| host.split_once(".s3-")).map(|(bucket, _)| bucket);
    let (bucket, key) = match virtual_bucket {
        Some(bucket) => (bucket, path),
        None => path.split_once('/').unwrap_or((path, "")),
    };
    let mut params = Params::default();
    params.push("Bucket", decode(bucket));
    params.push("Key", decode(key));
    let action = match request.method.as_str() {
        "GET" if !key.is_empty() => "GetObject",
        _ => "Unsupported",
    };
    (action.into(), params)
}

/// Percent-decoding of a path: unlike in a form, `+` is itself.
fn decode(text: &str) -> String {
    let text = text.replace('+', "%2B");
    form_urlencoded::parse(text.replace('=', "%3D").replace('&', "%26").as_bytes())
        .next()
        .map(|(decoded, _)| decoded.into_owned())
        .unwrap_or_default()
}

pub(crate) fn run(state: &mut State, action: &str, params: &Params) -> Result<Vec<u8>, ApiError> {
    if action != "GetObject" {
        return Err(ApiError::with_status(
            501,
            "NotImplemented",
            "A header you provided implies functionality that is not implemented.",
        ));
    }
    let (bucket, key) = (params.text("Bucket").unwrap_or_default(), params.text("Key").unwrap_or_default());
    if !state.s3_buckets.contains(&bucket) {
        return Err(ApiError::with_status(404, "NoSuchBucket", "The specified bucket does not exist"));
    }
    state
        .objects
        .get(&(bucket, key))
        .cloned()
        .ok_or_else(|| ApiError::with_status(404, "NoSuchKey", "The specified key does not exist."))
}
