//! Ids from a seed: the same calls with the same seed give the same ids.

/// SplitMix64 (Steele, Lea, Flood 2014), which is enough for ids that look like AWS's and do not collide.
#[derive(Debug)]
pub(crate) struct Ids(u64);

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `prefix` and 17 hexadecimal digits, of which the first is 0: `sg-0123456789abcdef0`.
    pub(crate) fn resource(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", self.next())
    }

    /// A version-4 UUID, like request and event ids.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// `prefix` and 16 characters of IAM's alphabet: `ASIA…`, `AROA…`.
    pub(crate) fn key(&mut self, prefix: &str) -> String {
        const ALPHABET: [char; 32] = [
            'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U',
            'V', 'W', 'X', 'Y', 'Z', '2', '3', '4', '5', '6', '7',
        ];
        let mut bits = u128::from(self.next()) << 64 | u128::from(self.next());
        let mut key = String::from(prefix);
        for _ in 0..16 {
            key.extend(ALPHABET.get((bits % 32) as usize));
            bits /= 32;
        }
        key
    }

    /// 64 hexadecimal digits, for secrets and session tokens.
    pub(crate) fn secret(&mut self) -> String {
        (0..4).map(|_| format!("{:016x}", self.next())).collect()
    }
}
