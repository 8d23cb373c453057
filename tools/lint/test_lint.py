"""Tests of what `make lint` checks with: python -m unittest discover tools/lint."""

import copy
import json
import tempfile
import unittest
from pathlib import Path

import dependencies
import formats
import links
import schemas


class Dependencies(unittest.TestCase):
    LINES = "portcullis v0.1.0 (/x)|\ntokio v1.2.3|net,rt\ntokio v1.2.3|net,rt (*)\n\nserde_derive v1.0.0 (proc-macro)|default\n"

    def test_reads_what_cargo_tree_prints(self):
        found = dependencies.crates(self.LINES)
        self.assertEqual(found[("tokio", "v1.2.3")], {"net,rt"})
        self.assertEqual(dependencies.names(found), {"portcullis", "tokio", "serde_derive"})

    def test_names_what_is_new_and_what_is_gone(self):
        self.assertEqual(list(dependencies.compare(["serde", "tokio"], {"serde", "tokio"})), [])
        faults = " ".join(dependencies.compare(["serde", "tokio"], {"serde", "clap"}))
        self.assertIn("new dependencies: clap;", faults)
        self.assertIn("no longer has these dependencies: tokio", faults)
        self.assertIn("make dependencies", faults)

    def test_a_crate_of_the_function_has_the_same_features_in_tests(self):
        tokio, clap = ("tokio", "v1"), ("clap", "v4")
        programs = {tokio: {"net"}, clap: {"std"}}
        same = dependencies.built_twice({tokio: {"net"}}, programs, {tokio: {"net"}, clap: {"env,std"}})
        self.assertEqual(list(same), [])
        (fault,) = dependencies.built_twice({tokio: {"net"}}, programs, {tokio: {"net,test-util"}})
        self.assertIn("tokio would be built twice", fault)
        self.assertIn("(test-util)", fault)


class Links(unittest.TestCase):
    def test_finds_relative_links_alone_and_none_in_code(self):
        text = (
            "[a](A.md) [b](https://example.com) ![c](c.png \"title\") `[d](d.md)` [`e`](e.md#f)\n"
            "```\n[g](g.md)\n```\n[h]: h.md\n[i](mailto:i@example.com)\n"
        )
        found = [(1, "A.md"), (1, "c.png"), (1, "e.md#f"), (5, "h.md")]
        self.assertEqual(list(links.links(text)), found)

    def test_calls_headings_as_github_does(self):
        text = "# What it costs\n## `make deploy`: what is asked?\n## Twice\n## Twice\n```\n# no heading\n```\n"
        expected = {"what-it-costs", "make-deploy-what-is-asked", "twice", "twice-1"}
        self.assertEqual(links.anchors(text), expected)

    def test_names_what_leads_nowhere(self):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder, "page.md")
            Path(folder, "other.md").write_text("# There\n")
            page.write_text("[a](other.md#there) [b](other.md#not)\n[c](gone.md) [d](#page)\n# Page\n")
            faults = list(links.broken(page))
        self.assertEqual(len(faults), 2, faults)
        self.assertIn("page.md:1: other.md#not: the page has no such heading", faults[0])
        self.assertIn("page.md:2: gone.md: there is no such file", faults[1])


class Schemas(unittest.TestCase):
    DRAFT = '"$schema":"https://json-schema.org/draft/2020-12/schema"'

    def test_takes_a_schema_and_says_what_is_wrong_with_another(self):
        self.assertIsNone(schemas.fault("{" + self.DRAFT + ',"type":"object"}'))
        self.assertIn("no JSON", schemas.fault("{"))
        self.assertIn("$schema", schemas.fault('{"type":"object"}'))
        self.assertIn("not known", schemas.fault('{"$schema":"https://example.com/none"}'))
        self.assertIn("$.type", schemas.fault("{" + self.DRAFT + ',"type":"thing"}'))


class Formats(unittest.TestCase):
    @staticmethod
    def example(name):
        return json.loads((formats.EXAMPLES / name).read_text("utf-8"))[0]

    def faults(self, name, faults_of, change):
        document = copy.deepcopy(self.example(name))
        change(document)
        return " ".join(faults_of(document))

    def test_what_is_made_is_taken(self):
        self.assertEqual(formats.asff_faults(self.example("asff.json")), [])
        self.assertEqual(formats.ocsf_faults(self.example("ocsf.json")), [])

    def test_a_finding_for_security_hub_that_lacks_or_misnames_something_is_refused(self):
        def faults(change):
            return self.faults("asff.json", formats.asff_faults, change)

        self.assertIn("UpdatedAt", faults(lambda document: document.pop("UpdatedAt")))
        self.assertIn("Colour", faults(lambda document: document.update(Colour="red")))
        self.assertIn("GONE is none of", faults(lambda document: document.update(RecordState="GONE")).replace("'", ""))
        self.assertIn("Resources", faults(lambda document: document.update(Resources="sg-1")))

    def test_an_event_of_ocsf_that_lacks_or_misnames_something_is_refused(self):
        def faults(change):
            return self.faults("ocsf.json", formats.ocsf_faults, change)

        self.assertIn("severity_id", faults(lambda event: event.pop("severity_id")))
        self.assertIn("colour", faults(lambda event: event.update(colour="red")))
        self.assertIn("$.status_id", faults(lambda event: event.update(status_id=77)))
        self.assertIn("$.type_uid", faults(lambda event: event.update(type_uid=200402)))
        self.assertIn("provider", faults(lambda event: event["cloud"].pop("provider")))
        self.assertIn("milliseconds", faults(lambda event: event.update(time=1795255200)))
        self.assertIn("cannot be looked up", faults(lambda event: event.pop("metadata")))


if __name__ == "__main__":
    unittest.main()
