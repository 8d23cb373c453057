//! Amazon S3: GetObject, PutObject and ListObjectsV2, path style and virtual-hosted style.

use crate::{
    ApiError, Request, Response,
    caller::{self, Caller},
    dispatch::Success,
    params::Params,
    sqs::md5,
    state::State,
    tree::Tree,
};

/// The namespace of S3's answers.
pub(crate) const XMLNS: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) bytes: Vec<u8>,
    /// Unix milliseconds.
    pub(crate) modified: i64,
    /// The mode and the end of its retention, as the request gave them.
    pub(crate) retention: Option<(String, String)>,
}

/// The action with `Bucket` and `Key` or the query as parameters.
pub(crate) fn read(request: &Request) -> (String, Params) {
    let (path, query) = request.target();
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
    let query = Params(form_urlencoded::parse(query.as_bytes()).into_owned().collect());
    let action = match request.method.as_str() {
        "GET" if !key.is_empty() => {
            params.push("Key", decode(key));
            "GetObject"
        }
        "PUT" if !key.is_empty() && query.get("x-id").is_none_or(|id| id == "PutObject") => {
            params.push("Key", decode(key));
            for (header, name) in PUT_HEADERS {
                request.header(header).into_iter().for_each(|value| params.push(name, value.to_owned()));
            }
            "PutObject"
        }
        "GET" if query.get("list-type") == Some("2") => {
            params.0.extend(query.0.into_iter().filter(|(name, _)| name != "list-type"));
            "ListObjectsV2"
        }
        _ => "Unsupported",
    };
    (action.into(), params)
}

/// The headers of PutObject that the model knows, and what a call's parameters name them.
const PUT_HEADERS: [(&str, &str); 5] = [
    ("if-none-match", "IfNoneMatch"),
    ("x-amz-object-lock-mode", "ObjectLockMode"),
    ("x-amz-object-lock-retain-until-date", "ObjectLockRetainUntilDate"),
    ("x-amz-checksum-crc32", "ChecksumCRC32"),
    ("content-md5", "ContentMD5"),
];

/// Percent-decoding of a path. Unlike in a form, `+` is not a space.
fn decode(text: &str) -> String {
    let text = text.replace('+', "%2B");
    form_urlencoded::parse(text.replace('=', "%3D").replace('&', "%26").as_bytes())
        .next()
        .map(|(decoded, _)| decoded.into_owned())
        .unwrap_or_default()
}

pub(crate) fn run(state: &mut State, action: &str, params: &Params, body: &[u8]) -> Result<Success, ApiError> {
    let bucket = params.get("Bucket").unwrap_or_default();
    if action == "PutObject" {
        return put_object(state, bucket, params, body);
    }
    let operation: fn(&State, &str, &Params) -> Result<Success, ApiError> = match action {
        "GetObject" => get_object,
        "ListObjectsV2" => list_objects,
        _ => return Err(not_implemented()),
    };
    if !state.s3_buckets.contains(bucket) {
        return Err(ApiError::with_status(404, "NoSuchBucket", "The specified bucket does not exist"));
    }
    operation(state, bucket, params)
}

/// Why a bucket does not answer: it is in another Region than the request was signed for, or the caller may not read it.
///
/// S3 User Guide, "Making requests": a request that reaches the wrong Region gets 301 `PermanentRedirect`, or 400
/// `AuthorizationHeaderMalformed`; both with the header `x-amz-bucket-region`. Which of them is not documented: the model
/// gives one for an object and the other for a list.
pub(crate) fn refusal(state: &State, region: &str, caller: &Caller, action: &str, params: &Params) -> Option<ApiError> {
    let bucket = params.get("Bucket").unwrap_or_default();
    if let Some(own) = state.bucket_regions.get(bucket).filter(|own| *own != region) {
        return Some(match action {
            "GetObject" => ApiError::with_status(
                301,
                "PermanentRedirect",
                "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all \
                 future requests to this endpoint.",
            ),
            _ => ApiError::with_status(
                400,
                "AuthorizationHeaderMalformed",
                format!("The authorization header is malformed; the region '{region}' is wrong; expecting '{own}'"),
            ),
        });
    }
    let reader = state.bucket_readers.get(bucket).filter(|reader| !caller.is(reader));
    reader.map(|_| caller::denied("s3", action, &caller.arn()))
}

/// The Region of the bucket, which S3 names in a header.
pub(crate) fn region_of(state: &State, params: &Params) -> Option<String> {
    state.bucket_regions.get(params.get("Bucket")?).cloned()
}

/// S3 User Guide, "How to prevent object overwrites with conditional writes": with `If-None-Match: *` an existing key is
/// refused with 412 PreconditionFailed. "Object Lock": a retention needs its mode and its end, and "Content-MD5 or
/// x-amz-checksum is required for any request to upload an object with a retention period".
fn put_object(state: &mut State, bucket: &str, params: &Params, body: &[u8]) -> Result<Success, ApiError> {
    if !state.s3_buckets.contains(bucket) {
        return Err(ApiError::with_status(404, "NoSuchBucket", "The specified bucket does not exist"));
    }
    let key = (bucket.to_owned(), params.text("Key").unwrap_or_default());
    match params.get("IfNoneMatch") {
        None => {}
        Some("*") if state.objects.contains_key(&key) => {
            let message = "At least one of the pre-conditions you specified did not hold";
            return Err(ApiError::with_status(412, "PreconditionFailed", message));
        }
        Some("*") => {}
        Some(_) => return Err(not_implemented()),
    }
    let retention = match (params.text("ObjectLockMode"), params.text("ObjectLockRetainUntilDate")) {
        (Some(mode), Some(until)) if matches!(mode.as_str(), "GOVERNANCE" | "COMPLIANCE") => Some((mode, until)),
        (None, None) => None,
        _ => {
            let message = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
            return Err(ApiError::new("InvalidArgument", message));
        }
    };
    if retention.is_some() && params.get("ChecksumCRC32").or(params.get("ContentMD5")).is_none() {
        let message = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock \
                       parameters";
        return Err(ApiError::new("InvalidRequest", message));
    }
    let object = Object { bytes: body.to_vec(), modified: state.core.now, retention };
    state.objects.insert(key, object);
    Ok(Success::Bytes(Vec::new()))
}

fn not_implemented() -> ApiError {
    ApiError::with_status(501, "NotImplemented", "A header you provided implies functionality that is not implemented.")
}

/// The answer to GetObject. S3 API Reference, GetObject, `If-None-Match`: "Return the object only if its entity tag (ETag) is
/// different from the one specified in this header; otherwise, return a 304 Not Modified error."
pub(crate) fn object(request: &Request, bytes: Vec<u8>, request_id: &str) -> Response {
    let tag = format!("\"{}\"", md5(&bytes));
    let is_same = request.header("if-none-match").is_some_and(|given| given == tag);
    let (status, body) = if is_same { (304, Vec::new()) } else { (200, bytes) };
    let mut response = Response::new(status, "binary/octet-stream", request_id, body);
    response.headers.push(("etag".into(), tag));
    response
}

fn get_object(state: &State, bucket: &str, params: &Params) -> Result<Success, ApiError> {
    state
        .objects
        .get(&(bucket.to_owned(), params.text("Key").unwrap_or_default()))
        .map(|object| Success::Bytes(object.bytes.clone()))
        .ok_or_else(|| ApiError::with_status(404, "NoSuchKey", "The specified key does not exist."))
}

/// S3 API Reference, ListObjectsV2: "Returns some or all (up to 1,000) of the objects in a bucket with each request", and
/// "in lexicographical order based on their key names". Without `delimiter`.
fn list_objects(state: &State, bucket: &str, params: &Params) -> Result<Success, ApiError> {
    if params.get("delimiter").is_some_and(|delimiter| !delimiter.is_empty()) {
        return Err(not_implemented());
    }
    let invalid = |what: &str| ApiError::new("InvalidArgument", what);
    let most = match params.get("max-keys").map(str::parse::<usize>) {
        None => 1000,
        Some(Ok(number)) => number.min(1000),
        Some(Err(_)) => return Err(invalid("Provided max-keys not an integer or within integer range")),
    };
    let url = match params.get("encoding-type") {
        None => false,
        Some("url") => true,
        Some(_) => return Err(invalid("Invalid Encoding Method specified in Request")),
    };
    // "ContinuationToken is obfuscated and is not a real key."
    let after = match params.get("continuation-token") {
        None => params.text("start-after"),
        Some(token) => Some(reveal(token).ok_or_else(|| invalid("The continuation token provided is incorrect"))?),
    };
    let prefix = params.get("prefix").unwrap_or_default();
    let from = (bucket.to_owned(), after.clone().unwrap_or_default().max(prefix.to_owned()));
    let mut rest = state
        .objects
        .range(from..)
        .take_while(|((b, key), _)| b == bucket && key.starts_with(prefix))
        .filter(|((_, key), _)| after.as_ref().is_none_or(|after| key > after))
        .map(|((_, key), object)| (key, object));
    let page = rest.by_ref().take(most).collect::<Vec<_>>();
    // A page of zero keys was asked for, so nothing was cut off.
    let next = rest.next().and(page.last()).map(|(key, _)| hide(key));
    let name = |text: &str| Tree::from(if url { encode(text) } else { text.to_owned() });
    let text = |name: &str| params.text(name).map(Tree::from);
    let Tree::Map(mut members) = Tree::map([
        ("Name", Some(bucket.into())),
        ("Prefix", Some(name(prefix))),
        ("StartAfter", params.get("start-after").map(name)),
        ("ContinuationToken", text("continuation-token")),
        ("NextContinuationToken", next.clone().map(Into::into)),
        ("KeyCount", i64::try_from(page.len()).ok().map(Tree::Int)),
        ("MaxKeys", i64::try_from(most).ok().map(Tree::Int)),
        ("EncodingType", text("encoding-type")),
        ("IsTruncated", Some(Tree::Bool(next.is_some()))),
    ]) else {
        return Err(not_implemented());
    };
    members.extend(page.into_iter().map(|(key, object)| ("Contents", contents(name(key), object))));
    Ok(Success::Tree(Tree::Map(members)))
}

fn contents(key: Tree, object: &Object) -> Tree {
    let modified = crate::trail::time(object.modified).replace('Z', ".000Z");
    Tree::map([
        ("Key", Some(key)),
        ("LastModified", Some(modified.into())),
        ("ETag", Some(format!("\"{}\"", md5(&object.bytes)).into())),
        ("Size", i64::try_from(object.bytes.len()).ok().map(Tree::Int)),
        ("StorageClass", Some("STANDARD".into())),
    ])
}

/// `encoding-type=url`: all bytes except letters, digits and `-_.*/` as `%XX`, a space as `+`.
fn encode(key: &str) -> String {
    form_urlencoded::byte_serialize(key.as_bytes()).collect::<String>().replace("%2F", "/")
}

fn hide(key: &str) -> String {
    key.bytes().map(|byte| format!("{:02x}", byte ^ 0x5a)).collect()
}

fn reveal(token: &str) -> Option<String> {
    let digits = token.chars().map(|c| c.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok().map(|byte| byte ^ 0x5a),
        _ => None,
    });
    String::from_utf8(bytes.collect::<Option<Vec<_>>>()?).ok()
}
