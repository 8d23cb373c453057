//! The fields of a flow log, by name, and the formats that are made of them.

/// Makes the fields and their names, in the order of the User Guide's table.
macro_rules! fields {
    ($($field:ident = $name:literal),+ $(,)?) => {
        /// A field of a record, as the User Guide names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the names are the User Guide's")]
        pub enum Field { $($field),+ }

        impl Field {
            pub(super) const ALL: &[(&'static str, Self)] = &[$(($name, Self::$field)),+];
            /// How many there are.
            pub(super) const COUNT: usize = Self::ALL.len();
        }
    };
}

fields! {
    Version = "version", AccountId = "account-id", InterfaceId = "interface-id", SrcAddr = "srcaddr",
    DstAddr = "dstaddr", SrcPort = "srcport", DstPort = "dstport", Protocol = "protocol", Packets = "packets",
    Bytes = "bytes", Start = "start", End = "end", Action = "action", LogStatus = "log-status",
    VpcId = "vpc-id", SubnetId = "subnet-id", InstanceId = "instance-id", TcpFlags = "tcp-flags", Type = "type",
    PktSrcAddr = "pkt-srcaddr", PktDstAddr = "pkt-dstaddr",
    Region = "region", AzId = "az-id", SublocationType = "sublocation-type", SublocationId = "sublocation-id",
    PktSrcAwsService = "pkt-src-aws-service", PktDstAwsService = "pkt-dst-aws-service",
    FlowDirection = "flow-direction", TrafficPath = "traffic-path",
    EcsClusterArn = "ecs-cluster-arn", EcsClusterName = "ecs-cluster-name",
    EcsContainerInstanceArn = "ecs-container-instance-arn", EcsContainerInstanceId = "ecs-container-instance-id",
    EcsContainerId = "ecs-container-id", EcsSecondContainerId = "ecs-second-container-id",
    EcsServiceName = "ecs-service-name", EcsTaskDefinitionArn = "ecs-task-definition-arn",
    EcsTaskArn = "ecs-task-arn", EcsTaskId = "ecs-task-id", RejectReason = "reject-reason",
}

impl Field {
    /// The field of this name, in the User Guide's spelling or with `_` as in Parquet files.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let same = |known: &str| {
            known.len() == name.len()
                && known.bytes().zip(name.bytes()).all(|(known, byte)| known == byte || (known == b'-' && byte == b'_'))
        };
        Self::ALL.iter().find(|(known, _)| same(known)).map(|(_, field)| *field)
    }

    /// Its name in the User Guide's spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, field)| *field == self).map_or("", |(name, _)| name)
    }

    /// Whether a word can be the name of a field: small letters and hyphens, no digit. A field of a later version counts.
    pub(super) fn is_name(word: &str) -> bool {
        word.len() > 2
            && word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'_')
            && (Self::named(word).is_some() || word.contains('-') && !word.contains('_'))
    }
}

/// Which word of a line each field is, in the order of the fields.
pub(super) type Places = [u16; Field::COUNT];
/// What a line does not have. No line has so many words.
pub(super) const NOWHERE: u16 = u16::MAX;

/// Which field is at which place of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// `None` is a field that is passed over.
    pub(super) fields: Vec<Option<Field>>,
}

/// Why a text is no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no field of a flow log: expected names such as ${{version}} ${{account-id}}, as the flow log's own format has them"
)]
pub struct FormatError(String);

impl Format {
    /// The default format, version 2.
    #[must_use]
    pub fn default_v2() -> Self {
        Self { fields: Field::ALL.iter().take(14).map(|(_, field)| Some(*field)).collect() }
    }

    /// A format as `aws ec2 describe-flow-logs` shows it: `${version} ${vpc-id} …`, or without `${}`.
    ///
    /// # Errors
    /// The first name that is not known.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let unknown = |name: &str| FormatError(portcullis_domain::text::escaped(name));
        let fields: Vec<_> = text
            .split_ascii_whitespace()
            .map(|word| {
                let name = word.strip_prefix("${").and_then(|word| word.strip_suffix('}')).unwrap_or(word);
                Field::named(name).map(Some).ok_or_else(|| unknown(word))
            })
            .collect::<Result<_, _>>()?;
        if fields.is_empty() { Err(unknown(text)) } else { Ok(Self { fields }) }
    }

    /// The format of a header, and the names in it that are not known.
    pub(super) fn of_header(line: &str) -> (Self, Vec<String>) {
        let mut unknown = Vec::new();
        let fields = line.split_ascii_whitespace().map(|word| {
            let field = Field::named(word);
            if field.is_none() {
                unknown.push(portcullis_domain::text::escaped(word));
            }
            field
        });
        (Self { fields: fields.collect() }, unknown)
    }

    /// Which word of a line each field is.
    pub(super) fn places(&self) -> Places {
        let mut places = [NOWHERE; Field::COUNT];
        for (field, n) in self.fields.iter().zip(0_u16..) {
            if let Some(place) = field.and_then(|field| places.get_mut(field as usize)) {
                *place = n;
            }
        }
        places
    }

    /// The names of its fields in order, as far as they are known here.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.fields.iter().flatten().map(|field| field.name()).collect()
    }

    /// Whether it has a field.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        self.fields.contains(&Some(field))
    }
}
