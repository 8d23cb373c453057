//! Renders answers: in XML for EC2's Query protocol, the awsQuery protocol of STS and SNS, and S3; in JSON for the
//! others.

use crate::{ApiError, Response, dispatch::Service, ec2, json, s3, sns, sts, tree::Tree};

/// A success. EC2's members are directly in the response, the other services' in a result.
pub(crate) fn success(service: Service, action: &str, tree: &Tree, request_id: &str) -> Response {
    if service.speaks_json() {
        return json::success(service, tree, request_id);
    }
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let members = match tree {
        Tree::Map(members) => members.as_slice(),
        Tree::Text(_) | Tree::Int(_) | Tree::Bool(_) | Tree::List(_) => &[],
    };
    if service == Service::S3 {
        // The only XML answer of the model's S3. The namespace is only in the opening tag.
        tree.xml("ListBucketResult", &mut xml);
        let xml = xml.replacen("<ListBucketResult>", &format!("<ListBucketResult xmlns=\"{}\">", s3::XMLNS), 1);
        return Response::new(200, "application/xml", request_id, xml);
    }
    let xmlns = match service {
        Service::Ec2 => ec2::XMLNS,
        Service::Sts => sts::XMLNS,
        Service::Sns => sns::XMLNS,
        Service::S3
        | Service::Sqs
        | Service::Organizations
        | Service::DynamoDb
        | Service::SecurityHub
        | Service::EventBridge
        | Service::Scheduler => "",
    };
    xml.push_str(&format!("<{action}Response xmlns=\"{xmlns}\">"));
    if service == Service::Ec2 {
        xml.push_str(&format!("<requestId>{request_id}</requestId>"));
        members.iter().for_each(|(name, tree)| tree.xml(name, &mut xml));
    } else {
        tree.xml(&format!("{action}Result"), &mut xml);
        xml.push_str(&format!("<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"));
    }
    xml.push_str(&format!("</{action}Response>"));
    Response::new(200, "text/xml;charset=UTF-8", request_id, xml)
}

/// An error, in each service's own form.
pub(crate) fn error(service: Service, problem: &ApiError, request_id: &str) -> Response {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let what = Tree::Map(vec![("Code", problem.code.as_str().into()), ("Message", problem.message.as_str().into())]);
    match service {
        Service::Ec2 => {
            xml.push_str("<Response><Errors>");
            what.xml("Error", &mut xml);
            xml.push_str(&format!("</Errors><RequestID>{request_id}</RequestID></Response>"));
        }
        Service::Sts | Service::Sns => {
            let kind = if problem.status < 500 { "Sender" } else { "Receiver" };
            let xmlns = if service == Service::Sts { sts::XMLNS } else { sns::XMLNS };
            xml.push_str(&format!("<ErrorResponse xmlns=\"{xmlns}\">"));
            let what = Tree::Map(vec![
                ("Type", kind.into()),
                ("Code", problem.code.as_str().into()),
                ("Message", problem.message.as_str().into()),
            ]);
            what.xml("Error", &mut xml);
            xml.push_str(&format!("<RequestId>{request_id}</RequestId></ErrorResponse>"));
        }
        Service::S3 => {
            let what = Tree::Map(vec![
                ("Code", problem.code.as_str().into()),
                ("Message", problem.message.as_str().into()),
                ("RequestId", request_id.into()),
            ]);
            what.xml("Error", &mut xml);
        }
        Service::Sqs
        | Service::Organizations
        | Service::DynamoDb
        | Service::SecurityHub
        | Service::EventBridge
        | Service::Scheduler => {
            return json::error(service, problem, request_id);
        }
    }
    let content_type = if service == Service::S3 { "application/xml" } else { "text/xml;charset=UTF-8" };
    Response::new(problem.status, content_type, request_id, xml)
}
