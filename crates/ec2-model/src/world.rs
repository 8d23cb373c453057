//! The handle for tests and servers, with its settings.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::{
    Actor, BusEvent, Call, Credentials, Fault, Lag, Published, Reply, Request, Rule, Vpc,
    caller::RoleTrust,
    dispatch,
    dynamodb::{Attribute, Item},
    ec2,
    organizations::Organization,
    params::Params,
    s3::Object,
    sqs::Queue,
    state::{Interface, Keeping, State},
    sts,
    throttle::Throttling,
};

/// A world of accounts and Regions. A clone is another handle on the same world.
///
/// Not modelled: the `default` group that every VPC has, instances, calls that make network interfaces, VPC creation (each place has
/// one default and one other VPC), peering, tags after creation, EC2-Classic, IAM policies (see [`World::deny`]; session policies are modelled),
/// signatures, resource-rate throttling, sharing of prefix lists, queue policies, FIFO queues, attributes of SQS messages,
/// delegated administrators of an organization, `delimiter` of ListObjectsV2, and resources and conditions of session
/// policies.
#[derive(Clone, Debug)]
pub struct World(Arc<Mutex<State>>);

impl World {
    /// An empty world. Equal seeds and equal calls give equal ids. Its clock stands at 2026-01-01T00:00:00Z.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State::new(seed))))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked while it held the lock has left complete values, because every call works on copies
        // until it succeeds.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one HTTP request, at once and without I/O.
    ///
    /// The account and the Region come from the credential scope of the `Authorization` header. A 12-digit access key
    /// is the account. Keys from AssumeRole stand for the role's account until they expire.
    pub fn handle(&self, request: &Request) -> Reply {
        dispatch::handle(&mut self.state(), request)
    }

    /// The rules of a group, inbound and outbound, oldest first. Empty for an unknown group. The lag hides none of
    /// them.
    pub fn rules(&self, account: &str, region: &str, group: &str) -> Vec<Rule> {
        let mut state = self.state();
        let (_, place) = state.place(account, region);
        let groups = place.groups.iter().filter(|candidate| candidate.id == group);
        groups.flat_map(|group| &group.rules).map(|stored| stored.rule.clone()).collect()
    }

    /// Sets a rule's tags.
    pub fn tag_rule(&self, account: &str, region: &str, rule: &str, tags: &[(String, String)]) {
        let mut state = self.state();
        let (_, place) = state.place(account, region);
        let all = place.groups.iter_mut().flat_map(|group| &mut group.rules);
        all.filter(|stored| stored.rule.id == rule).for_each(|stored| stored.rule.tags = tags.to_vec());
    }

    /// Makes a network interface that is in these groups, with a public address or without. Returns its id.
    pub fn attach(&self, account: &str, region: &str, groups: &[&str], address: Option<&str>) -> String {
        let mut state = self.state();
        let (core, place) = state.place(account, region);
        let id = core.ids.resource("eni");
        let (ipv6, public_ip) = address.map(str::to_owned).map_or((None, None), |address| {
            if address.contains(':') { (Some(address), None) } else { (None, Some(address)) }
        });
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let sequence = core.next_sequence();
        place.interfaces.push(Interface { id: id.clone(), groups, public_ip, ipv6, sequence });
        id
    }

    /// The names of all groups of an account in a Region.
    pub fn group_names(&self, account: &str, region: &str) -> Vec<String> {
        self.state().place(account, region).1.groups.iter().map(|group| group.name.clone()).collect()
    }

    /// The id of the default or the other VPC of an account in a Region.
    pub fn vpc_id(&self, account: &str, region: &str, vpc: Vpc) -> String {
        self.state().place(account, region).1.vpc_id(vpc).to_owned()
    }

    /// CloudTrail's records of all calls since this was last called, user calls and HTTP calls, in order.
    pub fn take_records(&self) -> Vec<Value> {
        std::mem::take(&mut self.state().records)
    }

    /// The last call so far, where calls are kept.
    pub fn last_call(&self) -> Option<Call> {
        self.state().calls.last().cloned()
    }

    /// All HTTP calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// All messages published so far.
    pub fn published(&self) -> Vec<Published> {
        self.state().published.clone()
    }

    /// All events put onto buses so far.
    pub fn bus_events(&self) -> Vec<BusEvent> {
        self.state().bus_events.clone()
    }

    /// Makes a group of schedules.
    pub fn create_schedule_group(&self, account: &str, region: &str, name: &str) {
        self.state().schedules.entry((account.into(), region.into(), name.into())).or_default();
    }

    /// Deletes a group of schedules, and with it its schedules.
    pub fn delete_schedule_group(&self, account: &str, region: &str, name: &str) {
        self.state().schedules.remove(&(account.into(), region.into(), name.into()));
    }

    /// The schedules of a group: the name of each, and what it was asked to be.
    pub fn schedules(&self, account: &str, region: &str, group: &str) -> Vec<(String, Value)> {
        let schedules = &self.state().schedules;
        let group = schedules.get(&(account.into(), region.into(), group.into()));
        group.map(|group| group.clone().into_iter().collect()).unwrap_or_default()
    }

    /// Enables Security Hub in an account and Region. It is not enabled by default.
    pub fn enable_security_hub(&self, account: &str, region: &str) {
        self.state().security_hubs.entry((account.into(), region.into())).or_default();
    }

    /// The findings of Security Hub in an account and Region, as they are now.
    pub fn security_findings(&self, account: &str, region: &str) -> Vec<Value> {
        let hubs = &self.state().security_hubs;
        let hub = hubs.get(&(account.into(), region.into()));
        hub.map(|hub| hub.findings.values().cloned().collect()).unwrap_or_default()
    }

    /// Every version of a finding that Security Hub took in an account and Region, in order.
    pub fn imported_findings(&self, account: &str, region: &str) -> Vec<Value> {
        let hubs = &self.state().security_hubs;
        hubs.get(&(account.into(), region.into())).map(|hub| hub.imported.clone()).unwrap_or_default()
    }

    /// Sets the clock: record times, credential expiry, token buckets, lags in milliseconds.
    pub fn set_now(&self, unix_millis: i64) {
        self.state().core.now = unix_millis;
    }

    /// The clock in Unix milliseconds.
    pub fn now(&self) -> i64 {
        self.state().core.now
    }

    /// Adds a fault, which a later HTTP call meets.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.inject(fault);
    }

    /// From now on every HTTP call of `action` by credentials of `account` is unauthorized, as if its policy lacked the
    /// action.
    pub fn deny(&self, account: &str, action: &str) {
        self.state().denied.insert((account.into(), action.into()));
    }

    /// Ends a [`World::deny`].
    pub fn permit(&self, account: &str, action: &str) {
        self.state().denied.remove(&(account.into(), action.into()));
    }

    /// Turns EC2's token buckets on or off; off in a new world.
    pub fn set_throttling(&self, on: bool) {
        self.state().throttling = if on { Throttling::On } else { Throttling::Off };
    }

    /// Takes a token from EC2's bucket for `action`, as another caller of the account would. Returns false if the
    /// bucket is empty. User calls themselves are not throttled: a simulated caller that shares the account's buckets
    /// calls this first.
    pub fn draw(&self, account: &str, region: &str, action: &str) -> bool {
        let mut state = self.state();
        let now = state.core.now;
        state.buckets.take(account, region, action, &Params::default(), now)
    }

    /// From now on Describe calls show new groups and rules only after `created`, and stop showing revoked rules only
    /// after `removed`.
    pub fn set_visibility_lag(&self, created: Lag, removed: Lag) {
        let mut state = self.state();
        (state.core.created_lag, state.core.removed_lag) = (created, removed);
    }

    /// From now on new versions of prefix lists become current only after `millis`. Until then the state is
    /// `…-in-progress` and another change is refused.
    pub fn set_prefix_list_lag(&self, millis: i64) {
        self.state().core.prefix_list_lag = millis;
    }

    /// Makes a prefix list that AWS manages, such as `com.amazonaws.eu-west-1.s3`. Every account of the Region has it.
    /// The family is that of the first CIDR, or IPv4 without a CIDR. Returns an empty id if a CIDR is malformed.
    pub fn create_aws_prefix_list(&self, region: &str, name: &str, cidrs: &[&str]) -> String {
        let mut state = self.state();
        let Ok(list) = ec2::prefix_lists::aws(&mut state.core, name, cidrs) else { return String::new() };
        for place in state.places.values_mut().filter(|place| place.region == region) {
            place.prefix_lists.push(list.clone());
        }
        let id = list.id.clone();
        state.core.aws_prefix_lists.push((region.into(), list));
        id
    }

    /// How many rules a group may have in each direction and family; 60 in a new world.
    pub fn set_rules_per_group(&self, limit: usize) {
        self.state().core.rules_per_group = limit;
    }

    /// Sets the caller of later user calls. In a new world it is the IAM user `operator`.
    pub fn set_actor(&self, actor: Actor) {
        self.state().actor = actor;
    }

    /// Makes an object for GetObject and ListObjectsV2, and its bucket.
    pub fn put_object(&self, bucket: &str, key: &str, bytes: impl Into<Vec<u8>>) {
        let mut state = self.state();
        state.s3_buckets.insert(bucket.into());
        let object = Object { bytes: bytes.into(), modified: state.core.now, retention: None };
        state.objects.insert((bucket.into(), key.into()), object);
    }

    /// Puts a bucket into a Region. It answers in no other.
    pub fn set_bucket_region(&self, bucket: &str, region: &str) {
        self.state().bucket_regions.insert(bucket.into(), region.into());
    }

    /// Locks a bucket: from now on this role alone may read from it, as the bucket of Control Tower's log archive.
    pub fn lock_bucket(&self, bucket: &str, role_arn: &str) {
        self.state().bucket_readers.insert(bucket.into(), role_arn.into());
    }

    /// Makes a bucket.
    pub fn create_bucket(&self, bucket: &str) {
        self.state().s3_buckets.insert(bucket.into());
    }

    /// A bucket's objects: the key and the bytes of each, in the order of the keys.
    pub fn objects(&self, bucket: &str) -> Vec<(String, Vec<u8>)> {
        let state = self.state();
        let own = state.objects.iter().filter(|((of, _), _)| of == bucket);
        own.map(|((_, key), object)| (key.clone(), object.bytes.clone())).collect()
    }

    /// The mode and the end of an object's retention, where it has one.
    pub fn retention(&self, bucket: &str, key: &str) -> Option<(String, String)> {
        self.state().objects.get(&(bucket.into(), key.into()))?.retention.clone()
    }

    /// Makes an SQS queue. Returns its URL.
    pub fn create_queue(&self, account: &str, region: &str, name: &str) -> String {
        let queue = Queue::new(account, region, name);
        let url = queue.url.clone();
        self.state().queues.push(queue);
        url
    }

    /// Takes the bodies of all messages of a queue, oldest first. Empty for an unknown queue.
    pub fn take_messages(&self, url: &str) -> Vec<String> {
        self.take_delayed_messages(url).into_iter().map(|(body, _)| body).collect()
    }

    /// The same, each with the seconds that the queue keeps it back.
    pub fn take_delayed_messages(&self, url: &str) -> Vec<(String, u64)> {
        let mut state = self.state();
        let queue = state.queues.iter_mut().find(|queue| queue.url == url);
        queue.map(|queue| std::mem::take(&mut queue.messages)).unwrap_or_default()
    }

    /// Makes a DynamoDB table whose key is the text `pk`.
    pub fn create_table(&self, account: &str, region: &str, name: &str) {
        self.state().tables.entry((account.into(), region.into(), name.into())).or_default();
    }

    /// Drops a table with everything in it.
    pub fn delete_table(&self, account: &str, region: &str, name: &str) {
        self.state().tables.remove(&(account.to_owned(), region.to_owned(), name.to_owned()));
    }

    /// The items of a table by key, each with its attributes: a text as it is, a number in digits.
    pub fn items(&self, account: &str, region: &str, name: &str) -> BTreeMap<String, BTreeMap<String, String>> {
        let state = self.state();
        let text = |value: &Attribute| match value {
            Attribute::S(text) => text.clone(),
            Attribute::N(number) => number.to_string(),
        };
        let item = |item: &Item| item.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let table = state.tables.get(&(account.to_owned(), region.to_owned(), name.to_owned()));
        table.into_iter().flatten().map(|(key, attributes)| (key.clone(), item(attributes))).collect()
    }

    /// Writes texts into an item of a table, and takes attributes out of it.
    pub fn change_item(
        &self,
        (account, region, name): (&str, &str, &str),
        key: &str,
        (set, remove): (&[(String, String)], &[String]),
    ) {
        let mut state = self.state();
        let table = state.tables.entry((account.to_owned(), region.to_owned(), name.to_owned())).or_default();
        let item = table.entry(key.to_owned()).or_default();
        let key = ("pk".to_owned(), key.to_owned());
        let texts = set.iter().chain([&key]).map(|(name, text)| (name.clone(), Attribute::S(text.clone())));
        item.extend(texts);
        item.retain(|name, _| !remove.contains(name));
    }

    /// Takes an item out of a table, as if it was lost.
    pub fn lose_item(&self, account: &str, region: &str, name: &str, key: &str) {
        if let Some(table) = self.state().tables.get_mut(&(account.to_owned(), region.to_owned(), name.to_owned())) {
            table.remove(key);
        }
    }

    /// Makes the organization: its management account, and its accounts with their states, `ACTIVE`, `SUSPENDED`,
    /// `PENDING_CLOSURE`, `CLOSED` or `PENDING_ACTIVATION`. A management account that is not in the list is added as
    /// active.
    pub fn set_organization(&self, management_account: &str, accounts: &[(&str, &str)]) {
        let mut accounts = accounts.iter().map(|(id, state)| ((*id).into(), (*state).into())).collect::<Vec<_>>();
        if !accounts.iter().any(|(id, _)| id == management_account) {
            accounts.insert(0, (management_account.to_owned(), "ACTIVE".to_owned()));
        }
        self.state().organization = Some(Organization { management: management_account.into(), accounts });
    }

    /// Opts the account in to a Region. The 17 default Regions are enabled in a new world, opt-in Regions are not.
    pub fn enable_region(&self, account: &str, region: &str) {
        self.state().core.region_choices.insert((account.into(), region.into()), true);
    }

    /// Disables a Region for the account: its EC2 calls there fail from now on. AWS lets accounts disable only opt-in
    /// Regions; the model disables any.
    pub fn disable_region(&self, account: &str, region: &str) {
        self.state().core.region_choices.insert((account.into(), region.into()), false);
    }

    /// Makes a role that every caller with the right external id may assume.
    pub fn allow_role(&self, account: &str, role_name: &str, external_id: Option<&str>) {
        let trust = RoleTrust { external_id: external_id.map(Into::into), trusted: None };
        self.state().roles.insert((account.into(), role_name.into()), vec![trust]);
    }

    /// Makes a role that one principal with the right external id may assume: the ARN of a user, a role, a session or
    /// an account's `root`, or an account. Calling this again for the same role adds a principal.
    pub fn allow_role_for(&self, account: &str, role_name: &str, external_id: Option<&str>, trusted_role_arn: &str) {
        let trust = RoleTrust { external_id: external_id.map(Into::into), trusted: Some(trusted_role_arn.into()) };
        self.state().roles.entry((account.into(), role_name.into())).or_default().push(trust);
    }

    /// Credentials of a session of a role, valid for an hour, as Lambda gives a function those of its role. No call is
    /// recorded, and the role's trust policy is not checked.
    pub fn role_credentials(&self, account: &str, role_name: &str, session_name: &str) -> Credentials {
        let mut state = self.state();
        let session = sts::open_session(&mut state, account, role_name, session_name, 3600, None);
        let secret_access_key = state.core.ids.secret();
        Credentials { access_key_id: session.key, secret_access_key, session_token: session.token }
    }

    /// Drops everything in an account's Region: groups, rules, prefix lists, token buckets and CloudTrail records, and
    /// the account's expired credentials. The next call finds new VPCs, as in a new account.
    pub fn forget(&self, account: &str, region: &str) {
        let mut state = self.state();
        let now = state.core.now;
        state.places.remove(&(account.to_owned(), region.to_owned()));
        state.buckets.forget(account, region);
        let text = |record: &Value, name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
        state.records.retain(|record| {
            text(record, "recipientAccountId").as_deref() != Some(account)
                || text(record, "awsRegion").as_deref() != Some(region)
        });
        state.sessions.retain(|_, session| session.account != account || session.expires > now);
    }

    /// Turns the keeping of CloudTrail records and of [`World::calls`] on or off, for simulations that are too large
    /// for them. On in a new world. Earlier records and calls are kept.
    pub fn set_records(&self, on: bool) {
        self.state().keeps = if on { Keeping::Everything } else { Keeping::Counts };
    }

    /// How many HTTP calls there have been, by action. They are counted even while none is kept.
    pub fn call_counts(&self) -> BTreeMap<String, usize> {
        self.state().call_counts.clone()
    }
}
