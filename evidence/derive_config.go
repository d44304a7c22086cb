// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// configs follows which configuration was in force when.
type configs struct {
	open    Configuration // parts of one that is not whole yet
	next    int           // its part that must follow, 0 for none
	digest  string
	current Configuration
	loaded  int // how many were whole
	rows    []*configRow
	live    map[string]*configRow // in force, by table and key
	reviews map[sallyport.PrincipalID]reviewed
}

// configRow is a row of a table of settings: what held from one time to another.
type configRow struct {
	table string
	key   string
	cells []any // string, []string or int64
	from  time.Time
	to    time.Time // zero while it holds
	leaf  uint64
}

// reviewed is the last review of one identity.
type reviewed struct {
	at time.Time
	by sallyport.PrincipalID
}

func newConfigs() configs {
	return configs{live: map[string]*configRow{}, reviews: map[sallyport.PrincipalID]reviewed{}}
}

// take takes the next part of a configuration. Parts that do not follow each
// other are what a gateway leaves that stopped in between; they never held.
func (c *configs) take(e event, b *ConfigLoaded) {
	if b.Part == 1 {
		c.open, c.next, c.digest = Configuration{}, 1, b.Digest
	}
	if b.Part != c.next || b.Digest != c.digest {
		c.next = 0
		return
	}
	c.open.join(b.Configuration)
	if c.next++; b.Part < b.Parts {
		return
	}
	c.current, c.next = c.open, 0
	c.loaded++
	c.apply(e.leaf.Time, e.index)
}

// apply compares the rows of the new configuration with those that held.
func (c *configs) apply(at time.Time, leaf uint64) {
	held := c.live
	c.live = map[string]*configRow{}
	for _, r := range c.current.rows() {
		name := r.table + "\x00" + r.key
		if old := held[name]; old != nil && sameCells(old.cells, r.cells) {
			c.live[name] = old
			delete(held, name)
			continue
		}
		if c.live[name] != nil { // the same name twice; the first one counts
			continue
		}
		r.from, r.leaf = at, leaf
		c.live[name] = &r
		c.rows = append(c.rows, &r)
	}
	for _, old := range held {
		old.to = at
	}
}

func sameCells(a, b []any) bool {
	return slices.EqualFunc(a, b, func(x, y any) bool {
		if list, ok := x.([]string); ok {
			other, ok := y.([]string)
			return ok && slices.Equal(list, other)
		}
		return x == y
	})
}

// rows is the configuration as rows of tables.
func (c *Configuration) rows() (rows []configRow) {
	for _, r := range c.Roles {
		rows = append(rows, configRow{table: tableRoles, key: string(r.Name), cells: []any{string(r.Name), plainTexts(r.Resources), r.Members}})
	}
	for _, x := range c.Access {
		rows = append(rows, configRow{
			table: tableAccess, key: string(x.Role) + "\x00" + string(x.Resource),
			cells: []any{string(x.Role), string(x.Resource), accessWord(x.Connect), x.Approvers, x.WindowMS, plainTexts(x.Rules), string(x.Policy)},
		})
	}
	for _, r := range c.Resources {
		rows = append(rows,
			configRow{table: tableLogoffSettings, key: string(r.Name), cells: []any{string(r.Name), r.IdleMS, r.LongestMS, r.Sessions}},
			configRow{table: tableResources, key: string(r.Name), cells: []any{string(r.Name), r.Type, r.Target, r.TLS, r.Lineage, r.Intent}})
	}
	for _, i := range c.Issuers {
		rows = append(rows, configRow{table: tableIssuers, key: i.Name, cells: []any{i.Name, i.URL, i.Audiences}})
	}
	for _, s := range c.Settings {
		rows = append(rows, configRow{table: tableSettings, key: s.Name, cells: []any{s.Name, s.Values}})
	}
	return rows
}

// How a member of a role comes to a resource, in the words of the tables.
const (
	accessStanding = "standing"
	accessGranted  = "just in time"
	accessRefused  = "refused"
)

func accessWord(connect string) string {
	switch connect {
	case "allow":
		return accessStanding
	case "hold":
		return accessGranted
	}
	return accessRefused
}

func plainTexts[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// writeConfig writes the tables of settings, each by name and then by time.
func (d *Deriver) writeConfig() error {
	rows := d.config.rows
	slices.SortStableFunc(rows, func(a, b *configRow) int {
		return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.key, b.key), cmp.Compare(a.leaf, b.leaf))
	})
	for _, r := range rows {
		w := d.tables[r.table]
		for _, cell := range r.cells {
			switch x := cell.(type) {
			case []string:
				texts(w, x)
			case int64:
				w.integer(x)
			case string:
				w.text(x)
			}
		}
		if err := w.time(r.from).time(r.to).number(r.leaf).end(); err != nil {
			return err
		}
	}
	return nil
}

// reviewEvent writes a review and remembers it for the inventory.
func (d *Deriver) reviewEvent(e event, b *Review) error {
	if b.Kind == "identity" {
		d.config.reviews[b.Principal] = reviewed{at: e.leaf.Time, by: b.By}
	}
	d.tally.reviews++
	return d.tables[tableReviewed].time(e.leaf.Time).text(b.Kind).text(string(b.By)).text(string(b.Principal)).time(b.From).time(b.To).
		text(b.Note).number(b.Size).number(e.index).end()
}
