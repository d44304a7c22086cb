// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// page writes a page of HTML: without scripts, without anything from elsewhere.
type page struct{ b strings.Builder }

const pageStyle = `body{font:14px/1.45 system-ui,sans-serif;color:#1b1f24;max-width:62rem;margin:1.5rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:1.4rem 0 .4rem;border-bottom:1px solid #c9ced6;padding-bottom:.15rem}
h3{font-size:1rem;margin:1rem 0 .2rem}p{margin:.3rem 0}ul{margin:.3rem 0 .3rem 1.1rem;padding:0}
table{border-collapse:collapse;width:100%;margin:.4rem 0}th,td{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;border-bottom:1px solid #e3e6ea}
th{font-weight:600}td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}td,dd{overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.4rem 0}dt{color:#57606a}dd{margin:0}
.good,.bad{padding:.5rem .8rem;border-left:4px solid;margin:.6rem 0}.good{border-color:#2da44e;background:#f0faf2}.bad{border-color:#bf8700;background:#fff8e6}
small,.dim{color:#57606a}a{color:#0550ae}
.cols{display:grid;grid-template-columns:1fr 1fr;gap:0 2rem}
td:first-child{width:11rem}.cols td:first-child{width:auto}.files td:first-child{width:19rem}
@media print{@page{margin:12mm}body{font-size:8.5pt;line-height:1.3;margin:0;padding:0;max-width:none}h1{font-size:14pt}h2{font-size:10pt;margin:.6rem 0 .2rem}h3{margin-top:.5rem}
th,td{padding:.1rem .5rem .1rem 0}p,table{margin:.2rem 0}.good,.bad{padding:.25rem .6rem;margin:.3rem 0}h2,h3{break-after:avoid}tr,li,dl,.good,.bad{break-inside:avoid}
a{color:inherit;text-decoration:none}.good,.bad{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
`

func newPage(title string) *page {
	p := &page{}
	p.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>")
	p.text(title).raw("</title>\n<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n" + pageStyle + "</style></head><body>\n")
	return p
}

// raw appends HTML as it is; text appends text.
func (p *page) raw(s string) *page {
	p.b.WriteString(s)
	return p
}

func (p *page) text(s string) *page {
	return p.raw(html.EscapeString(strings.ToValidUTF8(s, "\uFFFD")))
}

// tag writes an element that has a text.
func (p *page) tag(name, text string) *page {
	return p.raw("<" + name + ">").text(text).raw("</" + name + ">\n")
}

// box writes a paragraph that is good or bad news.
func (p *page) box(good bool, text string) *page {
	class := "bad"
	if good {
		class = "good"
	}
	return p.raw(`<p class="` + class + `">`).text(text).raw("</p>\n")
}

// facts writes a list of names and values.
func (p *page) facts(pairs ...string) *page {
	p.raw("<dl>")
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			p.raw("<dt>").text(pairs[i]).raw("</dt><dd>").text(pairs[i+1]).raw("</dd>\n")
		}
	}
	return p.raw("</dl>\n")
}

// table writes a table. Columns whose head ends with "#" are numbers.
func (p *page) table(head []string, rows [][]string) *page {
	class := make([]string, len(head))
	p.raw("<table><thead><tr>")
	for i, h := range head {
		h, number := strings.CutSuffix(h, "#")
		if number {
			class[i] = ` class="n"`
		}
		p.raw("<th" + class[i] + ">").text(h).raw("</th>")
	}
	p.raw("</tr></thead><tbody>\n")
	for _, row := range rows {
		p.raw("<tr>")
		for i, c := range row {
			p.raw("<td" + class[i] + ">").text(c).raw("</td>")
		}
		p.raw("</tr>\n")
	}
	return p.raw("</tbody></table>\n")
}

func (p *page) end() []byte {
	p.raw("</body></html>\n")
	return []byte(p.b.String())
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// clock renders a time for people.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// short is clock for tables, where all times are in UTC.
func short(t time.Time) string { return strings.TrimSuffix(clock(t), " UTC") }

// period renders what time a bundle is about.
func (x *Index) period() string {
	from, to := cmp.Or(clock(x.From), "the beginning of the log"), cmp.Or(clock(x.To), clock(x.Created)+" (when it was made)")
	return from + " to " + to
}

// scope says how much of the log there is.
func (x *Index) scope() string {
	if x.WholeLog {
		return fmt.Sprintf("the whole log: all %d events", x.TreeSize)
	}
	return fmt.Sprintf("%d of the log's %d events, those that the filter selects; it shows what it holds, not that there is nothing else", x.Leaves, x.TreeSize)
}

// head writes what both pages begin with.
func (x *Index) head(p *page) {
	p.facts("Log", x.Log, "Made by", x.By, "Purpose", x.Purpose, "Made on", clock(x.Created), "Period", x.period(), "State shown", clock(x.State),
		"Filter", cmp.Or(x.Filter, "none"), "Holds", x.scope())
}

// page renders the index.
func (x *Index) page() []byte {
	p := newPage("Evidence index")
	p.tag("h1", "Evidence index")
	p.raw("<p>Which file answers which question. Begin with the <a href=\"" + SummaryName + "\">summary</a>; every table is a sheet of <a href=\"" +
		WorkbookName + "\">" + WorkbookName + "</a>, and <a href=\"" + ReadmeName + "\">" + ReadmeName + "</a> says how to check all of it.</p>\n")
	x.head(p)
	if x.Complete {
		p.box(true, "The record of this period is whole, as far as the bundle holds it.")
	} else {
		p.box(false, fmt.Sprintf("The record of this period is not whole in %d place%s; %s.csv says exactly where.", x.Lacks, plural(x.Lacks), tableLiveness))
	}
	p.tag("h2", "Asked for by name")
	p.raw("<table><thead><tr><th>Artifact</th><th>File</th><th>What it has</th><th class=\"n\">Rows</th></tr></thead><tbody>\n")
	for _, a := range x.Artifacts {
		p.raw("<tr><td>").text(a.Name).raw("</td><td>")
		rows := ""
		if a.Rows != nil {
			rows = strconv.Itoa(*a.Rows)
			p.raw("<a href=\"" + a.Files + "\">" + a.Files + "</a>")
		} else {
			p.text(a.Files)
		}
		p.raw("</td><td>").text(a.What).raw("</td><td class=\"n\">" + rows + "</td></tr>\n")
	}
	p.raw("</tbody></table>\n")
	p.tag("h2", "By item of the audit protocol")
	for _, it := range x.Items {
		p.tag("h3", it.Number+" "+it.Title)
		p.raw("<p class=\"dim\">45 CFR ").text(it.Citation).raw("</p>\n<p><b>").text(it.Question).raw("</b></p>\n<table class=\"files\"><tbody>\n")
		for _, f := range it.Files {
			p.raw("<tr><td><a href=\"" + f.Table + ".csv\">" + f.Table + "</a></td><td>").text(f.What).
				raw("</td><td class=\"n\">" + strconv.Itoa(f.Rows) + " row" + plural(f.Rows) + "</td></tr>\n")
		}
		p.raw("</tbody></table>\n<p>Shows: ").text(it.Shows).raw("</p>\n<p>Does not show: ").text(it.Lacks).raw("</p>\n")
	}
	p.tag("h2", "How to read it")
	x.notes(p)
	return p.end()
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func (x *Index) notes(p *page) {
	p.raw("<ul>")
	for _, n := range x.Notes {
		p.tag("li", n)
	}
	p.raw("</ul>\n")
}

// Bounds of the lists of a summary, which is a page or two.
const (
	summaryLacks      = 12
	summaryPrincipals = 10
	summaryMasks      = 12
	summaryNames      = 6
)

// summary renders the page that is printed.
func (d *Deriver) summary(x Index) []byte {
	p := newPage("Evidence summary")
	p.tag("h1", "Evidence summary")
	x.head(p)
	if s := d.life.scope.Sample; s != nil {
		p.facts("Sample", s.text()+"; "+SampleName+" says how to draw it again")
	}
	c := d.life.completeness()
	p.tag("h2", "Is the record whole?")
	if c.Whole {
		p.box(true, "Whole: no silence, no missing start or seal, no session that the gateway left open, no statement of which it is not known whether it ran.")
	} else {
		p.box(false, fmt.Sprintf("Not whole in %d place%s:", len(c.Lacks), plural(len(c.Lacks))))
		var rows [][]string
		for _, l := range c.Lacks[:min(len(c.Lacks), summaryLacks)] {
			rows = append(rows, []string{l.Kind, short(l.From), short(l.To), l.words()})
		}
		p.table([]string{"What", "From (UTC)", "To (UTC)", "Where"}, rows)
		if more := len(c.Lacks) - summaryLacks; more > 0 {
			p.tag("p", fmt.Sprintf("and %d more, in %s.csv", more, tableLiveness))
		}
	}
	if len(c.Running) > 0 {
		p.tag("p", fmt.Sprintf("Sessions and statements still running when the period ended: %d. That is no gap.", len(c.Running)))
	}
	p.tag("h2", "Findings that need an answer")
	d.findings(p, c)
	d.activity(p)
	d.principals(p)
	p.tag("h2", "Rows by item")
	rows := make([][]string, 0, len(x.Items))
	for _, it := range x.Items {
		var parts []string
		for _, f := range it.Files {
			_, name, _ := strings.Cut(f.Table, "/")
			parts = append(parts, name+" "+strconv.Itoa(f.Rows))
		}
		rows = append(rows, []string{it.Number + " " + it.Title, it.Citation, strings.Join(parts, " · ")})
	}
	p.table([]string{"Item", "45 CFR", "Tables and their rows"}, rows)
	p.tag("h2", "How to read it")
	x.notes(p)
	p.raw("<p><small>Tree of ").text(decimal(x.TreeSize)).raw(" leaves, root ").text(x.Root).raw("</small></p>\n")
	return p.end()
}

// findings lists what somebody has to explain.
func (d *Deriver) findings(p *page, c Completeness) {
	var list []string
	add := func(n int, what string, names []string) {
		if n == 0 {
			return
		}
		text := fmt.Sprintf("%s: %d", what, n)
		if len(names) > 0 {
			text += " (" + strings.Join(names[:min(len(names), summaryNames)], ", ")
			if len(names) > summaryNames {
				text += fmt.Sprintf(" and %d more", len(names)-summaryNames)
			}
			text += ")"
		}
		list = append(list, text)
	}
	kinds := map[string]int{}
	for _, l := range c.Lacks {
		kinds[l.Kind]++
	}
	t := &d.tally
	add(kinds[LackStatement], "Statements that may have executed, with no outcome on record", nil)
	add(kinds[LackSession], "Sessions that the gateway left without an end", nil)
	add(kinds[LackSilence]+kinds[LackStart]+kinds[LackRollback], "Silences of the gateway", nil)
	add(kinds[LackSeal], "Stretches of the log without a seal", nil)
	add(len(t.overdue), "Machine identities whose access is overdue for review", t.overdue)
	add(len(t.unowned), "Machine identities without a known owner", t.unowned)
	add(len(t.standing), "Machine identities with standing access that was never reviewed", t.standing)
	if len(list) == 0 {
		p.box(true, "None.")
		return
	}
	p.raw("<ul>")
	for _, text := range list {
		p.tag("li", text)
	}
	p.raw("</ul>\n")
}

// activity counts sessions, statements, decisions and masks.
func (d *Deriver) activity(p *page) {
	t := &d.tally
	ran := t.results
	p.raw("<div class=\"cols\"><div>\n")
	p.tag("h2", "Sessions and statements")
	p.table([]string{"", "#"}, [][]string{
		{"Sessions", decimal(t.sessions)},
		{"… under a grant that a person approved", decimal(t.granted)},
		{"… without a grant (standing access)", decimal(t.sessions - t.granted)},
		{"… ended by the gateway", decimal(t.loggedOff)},
		{"Statements that ran and succeeded", decimal(ran[ranWell])},
		{"… ran and failed", decimal(ran[ranBadly])},
		{"… were refused", decimal(ran[notRun])},
		{"… skipped by the target after an error", decimal(ran[notAsked])},
		{"… may have executed", decimal(ran[perhapsRan])},
	})
	p.raw("</div><div>\n")
	p.tag("h2", "Approvals and logins")
	p.table([]string{"", "#"}, [][]string{
		{"Grants approved", decimal(t.decisions[[2]string{"grant", "approved"}])},
		{"Grants denied", decimal(t.decisions[[2]string{"grant", "denied"}])},
		{"Held statements approved", decimal(t.decisions[[2]string{"hold", "approved"}])},
		{"Held statements denied", decimal(t.decisions[[2]string{"hold", "denied"}])},
		{"Emergency grants", decimal(uint64(d.tables[tableEmergency].rows))},
		{"Logins accepted", decimal(t.logins[1])},
		{"Logins refused", decimal(t.logins[0])},
		{"Reviews attested", decimal(t.reviews)},
	})
	p.raw("</div></div>\n")
	keys := t.maskKeys()
	if len(keys) == 0 {
		return
	}
	p.tag("h2", "Masking")
	var rows [][]string
	for _, k := range keys[:min(len(keys), summaryMasks)] {
		m := t.masks[k]
		rows = append(rows, []string{k.labels, k.operator, decimal(m.columns), decimal(m.seen), decimal(m.masked)})
	}
	p.table([]string{"Label", "Operator", "Columns of answers#", "Values seen#", "Values masked#"}, rows)
	if more := len(keys) - summaryMasks; more > 0 {
		p.tag("p", fmt.Sprintf("and %d more kinds, in %s.csv", more, tableMasking))
	}
}

// principals lists those that did the most.
func (d *Deriver) principals(p *page) {
	ids := sortedBy(d.identities, func(i *identityState) uint64 { return i.index })
	ids = slices.DeleteFunc(ids, func(id sallyport.PrincipalID) bool { return d.identities[id].sessions == 0 })
	slices.SortStableFunc(ids, func(a, b sallyport.PrincipalID) int {
		x, y := d.identities[a], d.identities[b]
		return cmp.Or(cmp.Compare(y.ran+y.denials, x.ran+x.denials), cmp.Compare(a, b))
	})
	if len(ids) == 0 {
		return
	}
	p.tag("h2", "Most active principals")
	var rows [][]string
	for _, id := range ids[:min(len(ids), summaryPrincipals)] {
		i := d.identities[id]
		rows = append(rows, []string{
			string(id), string(i.principal.Kind), strings.Join(i.resources.sorted(), ", "), decimal(i.sessions), decimal(i.ran), decimal(i.denials),
		})
	}
	p.table([]string{"Principal", "Kind", "Resources", "Sessions#", "Statements run#", "Refused#"}, rows)
	if more := len(ids) - summaryPrincipals; more > 0 {
		p.tag("p", fmt.Sprintf("and %d more, in %s.csv", more, tableIdentities))
	}
}
