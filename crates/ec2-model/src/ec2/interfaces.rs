//! DescribeNetworkInterfaces.

use super::{Answer, Context, filter::Filter, page};
use crate::{params::Params, state::Interface, tree::Tree};

pub(super) fn describe(ctx: &mut Context<'_>, params: &Params) -> Answer {
    let filters = Filter::all(params, |name| matches!(name, "group-id" | "network-interface-id"))?;
    let fits = |interface: &Interface| {
        filters.iter().all(|filter| match filter.name.as_str() {
            "group-id" => filter.fits(interface.groups.iter().map(String::as_str)),
            _ => filter.fits([interface.id.as_str()]),
        })
    };
    let found: Vec<Interface> = ctx.place.interfaces.iter().filter(|interface| fits(interface)).cloned().collect();
    let (found, token) = page::page(found, |interface| interface.sequence, &page::DESCRIBE, params)?;
    let shown = found.iter().map(show).collect();
    Ok(Tree::map([("networkInterfaceSet", Some(Tree::List(shown))), ("nextToken", token.map(Into::into))]))
}

/// NetworkInterface, as far as it is modelled.
fn show(interface: &Interface) -> Tree {
    let group = |id: &String| Tree::map([("groupId", Some(id.as_str().into()))]);
    let address = |address: &String| Tree::map([("ipv6Address", Some(address.as_str().into()))]);
    let association = |ip: &String| Tree::map([("publicIp", Some(ip.as_str().into()))]);
    Tree::map([
        ("networkInterfaceId", Some(interface.id.as_str().into())),
        ("status", Some("in-use".into())),
        ("groupSet", Some(Tree::List(interface.groups.iter().map(group).collect()))),
        ("association", interface.public_ip.as_ref().map(association)),
        ("ipv6AddressesSet", Some(Tree::List(interface.ipv6.iter().map(address).collect()))),
    ])
}
