// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"context"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// The limits of the columns of an answer.
const (
	maxBQFields = 10000 // of a table
	maxBQDepth  = 15    // records in records
)

// BQColumn is one column of a BigQuery answer, or one field of a column that is a
// record, as the schema of the answer describes it, with what the verdict says
// about it.
//
// A column is masked when any of Mask, Operator, Text, Format and Detector is set.
// What is said of a record holds for the fields below it that say nothing
// themselves. Which of them applies follows from the type, as for [PGColumn]:
//   - STRING is scanned by Text or given to Operator;
//   - JSON is given to Format or to Operator;
//   - everything else, and the rest where neither is set, to Operator.
//
// What an operator has no answer for becomes NULL in a column that may be NULL, and
// the constant of its type elsewhere: the label in brackets, 0, 1970-01-01. A
// repeated column becomes empty where the operator shows nothing of its values.
type BQColumn struct {
	Name string
	// Type is as a schema has it, "INT64" or "INTEGER". Of a type that is not known,
	// values are shown whole or become NULL.
	Type     string
	Repeated bool
	Required bool
	Fields   []BQColumn // of a record

	Mask           bool
	Labels         []sallyport.Label
	Reason         string
	Columns        []string
	ProfileVersion string

	Operator *operator.Operator
	Text     *text.Masker
	Format   Format
	Detector Detector
	// Patient, Key, Known and Row are as in [PGColumn]. Patient and Known count for
	// values that are not repeated.
	Patient bool
	Key     bool
	Known   scan.Entity
	Row     int
}

func (c *BQColumn) masks() bool {
	return c.Mask || c.Operator != nil || c.Text != nil || c.Format != nil || c.Detector != nil
}

// under returns the column with what is said of the record that it is in, unless
// it says something itself.
func (c BQColumn) under(record BQColumn) BQColumn {
	if c.masks() || !record.masks() {
		return c
	}
	c.Mask, c.Labels, c.Reason, c.Columns, c.ProfileVersion = true, record.Labels, record.Reason, record.Columns, record.ProfileVersion
	c.Operator, c.Text, c.Format, c.Detector = record.Operator, record.Text, record.Format, record.Detector
	return c
}

// BQField is a column or a field of one, compiled. It does not change.
type BQField struct {
	Name     string
	Kind     BQKind
	Repeated bool
	Nullable bool // and not repeated
	Fields   []*BQField
	// Masks says that something of the values is masked, and Keys that some of them
	// are keys of patients.
	Masks, Keys bool
	// Empty says that a repeated field becomes the empty one.
	Empty bool

	leaf     int // the number of its counters
	act      pgAction
	null     bool // NULL is the constant
	constant bqConstant
	scalar   pgScalar // the operator, and how it is applied to texts
	detector Detector
	patient  bool
	key      bool
	known    scan.Entity
	row      int
	locus    string
	count    Count // without the numbers
}

// collects reports whether the field's values tell something about other fields of
// the row.
func (f *BQField) collects() bool { return f.patient || f.known != scan.None }

// looks reports whether values of the field are looked at.
func (f *BQField) looks() bool { return f.act != actPass || f.key || f.collects() }

// BQPlan masks the rows of one result of BigQuery, in whatever form they come:
// [BQPlan.MaskRows] takes answers of the REST interface, and package arrowmask
// record batches. It holds counters, so a plan serves one result or one stream at a
// time; [BQPlan.Fork] makes others. It is used by one goroutine at a time.
type BQPlan struct {
	profile string
	fields  []*BQField // shared between forks
	leaves  []*BQField // those that are looked at
	masks   bool
	detects bool
	rows    uint64
	work    pgWork
	context []pgRow // of the rows that a row was joined from
	cells   []bqCounters
	keys    Keys
	keyed   bool   // some values are keys
	keyBuf  []byte // of the current key
	plain   []byte // of the current value, decoded
	out     []byte // of what stands for it
	run     bqRun
	beside  text.Work // for what is no row
}

// bqCounters are the counters of one field.
type bqCounters struct {
	pgCounters
	seen, nulls uint64
	batch       pgBatch
}

// NewBQPlan compiles the plan for an answer with the given columns. profile is the
// name of the masking profile and goes into the counts. It is refused where no
// value is known that could stand for a masked one.
func NewBQPlan(cols []BQColumn, profile string) (*BQPlan, error) {
	b := bqBuilder{profile: profile, rows: map[int]int{}}
	fields, err := b.fields(cols, nil, 0)
	if err != nil {
		return nil, err
	}
	return newBQPlan(profile, fields, b.leaves, len(b.rows)), nil
}

func newBQPlan(profile string, fields, leaves []*BQField, rows int) *BQPlan {
	p := &BQPlan{profile: profile, fields: fields, leaves: leaves, context: make([]pgRow, rows), cells: make([]bqCounters, len(leaves))}
	for _, f := range fields {
		p.masks, p.keyed = p.masks || f.Masks, p.keyed || f.Keys
	}
	for _, f := range leaves {
		p.detects = p.detects || f.detector != nil
		p.work.collects = p.work.collects || f.collects()
	}
	return p
}

// Fork returns a plan for the same columns with counters of its own, and without a
// context and keys.
func (p *BQPlan) Fork() *BQPlan { return newBQPlan(p.profile, p.fields, p.leaves, len(p.context)) }

// Fields returns the columns.
func (p *BQPlan) Fields() []*BQField { return p.fields }

// Masks reports whether any column is masked.
func (p *BQPlan) Masks() bool { return p.masks }

// Collects reports whether values tell something about others of their row.
func (p *BQPlan) Collects() bool { return p.work.collects }

// Rows returns the number of rows since the plan was made or TakeCounts called.
func (p *BQPlan) Rows() uint64 { return p.rows }

// AddRows counts rows that were masked.
func (p *BQPlan) AddRows(n int) { p.rows += uint64(n) }

// SetContext gives detectors the context that they are called with from now on.
// Without one they are not called, and their columns are masked whole.
func (p *BQPlan) SetContext(ctx context.Context) { p.work.ctx = ctx }

// SetKeys has the keys of the fields with [BQColumn.Key] given to k from now on.
func (p *BQPlan) SetKeys(k Keys) {
	if p.keyed {
		p.keys = k
	}
}

// TakeCounts returns what was masked, for each masked field that saw a value, and
// sets the counters back to zero. The locus of a count for a field within a record
// is its path. What a [BQFormat] found has the output -1.
func (p *BQPlan) TakeCounts() []Count {
	var counts []Count
	for i, f := range p.leaves {
		n := &p.cells[i]
		if f.act != actPass && n.seen > 0 {
			c := f.count
			c.Seen, c.Nulls = n.seen, n.nulls
			if f.act == actKeep {
				counts = append(counts, c)
			} else {
				counts = n.take(counts, &pgField{count: f.count}, c)
			}
		}
		n.seen, n.nulls = 0, 0
	}
	for _, found := range p.beside.Tally.Take() {
		counts = append(counts, Count{
			Output: -1, Reason: ReasonFinding, Operator: found.Operator.String(), Profile: p.profile,
			Entity: found.Entity.String(), Rule: found.Rule, Locus: found.Locus, Hits: found.N,
		})
	}
	p.rows = 0
	return counts
}

// bqBuilder compiles columns.
type bqBuilder struct {
	profile string
	leaves  []*BQField
	rows    map[int]int
	total   int
	output  int // the column that is being compiled
}

const opBQPlan = "bigquery plan"

func (b *bqBuilder) fields(cols []BQColumn, above []string, depth int) ([]*BQField, error) {
	if b.total += len(cols); b.total > maxBQFields || depth > maxBQDepth {
		return nil, sallyport.E(sallyport.Invalid, opBQPlan, "the answer has too many columns, or records too deep in each other").
			WithHint("select fewer columns")
	}
	var out []*BQField
	for i, c := range cols {
		f := &BQField{Name: c.Name, Kind: bqKindOf(c.Type), Repeated: c.Repeated, Nullable: !c.Required && !c.Repeated, leaf: -1}
		if depth == 0 {
			b.output = i
		}
		if err := b.field(f, c, append(slices.Clip(above), c.Name), depth); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func (b *bqBuilder) field(f *BQField, c BQColumn, path []string, depth int) error {
	if (f.Kind == BQRecord) != (len(c.Fields) > 0) {
		return sallyport.E(sallyport.Invalid, opBQPlan, "a column has fields and is no record, or is a record without fields")
	}
	if f.Kind != BQRecord {
		return b.leaf(f, c, path)
	}
	inner := make([]BQColumn, len(c.Fields))
	for i, in := range c.Fields {
		inner[i] = in.under(c)
		if c.Repeated {
			inner[i].Patient, inner[i].Known = false, scan.None
			inner[i].Fields = repeated(inner[i].Fields)
		}
	}
	fields, err := b.fields(inner, path, depth+1)
	if err != nil {
		return err
	}
	f.Fields = fields
	f.Empty = c.Repeated && c.masks() && hidesAll(c)
	for _, in := range fields {
		f.Masks, f.Keys = f.Masks || in.Masks, f.Keys || in.Keys
	}
	if f.Empty { // counted as one value
		f.Masks = true
		f.act, f.leaf = actConstant, len(b.leaves)
		f.count = b.count(c, path, OpDefault)
		b.leaves = append(b.leaves, f)
	}
	return nil
}

// repeated returns fields that stand in a repeated record, of which there are many
// to a row.
func repeated(fields []BQColumn) []BQColumn {
	out := slices.Clone(fields)
	for i := range out {
		out[i].Patient, out[i].Known = false, scan.None
		out[i].Fields = repeated(out[i].Fields)
	}
	return out
}

// hidesAll reports whether nothing of a column's values is shown, and no field of
// it says otherwise.
func hidesAll(c BQColumn) bool {
	if c.Text != nil || c.Format != nil || c.Detector != nil || c.Operator != nil && (c.Operator.Kind().Reveals() || c.Operator.Kind() == operator.Const) {
		return false
	}
	return !slices.ContainsFunc(c.Fields, func(in BQColumn) bool { return in.masks() || !hidesAll(in) })
}

func (b *bqBuilder) count(c BQColumn, path []string, op string) Count {
	n := Count{
		Output: b.output, Columns: c.Columns, Labels: c.Labels, Reason: c.Reason, Operator: op,
		Profile: b.profile, ProfileVersion: c.ProfileVersion,
	}
	if len(path) > 1 {
		n.Locus = strings.Join(path, ".")
	}
	return n
}

// leaf compiles a field that is no record.
func (b *bqBuilder) leaf(f *BQField, c BQColumn, path []string) error {
	f.patient, f.key, f.known = c.Patient && !c.Repeated, c.Key, c.Known
	if c.Repeated || f.Kind != BQString {
		f.known = scan.None
	}
	if _, ok := b.rows[c.Row]; !ok {
		b.rows[c.Row] = len(b.rows)
	}
	f.row = b.rows[c.Row]
	f.Keys = f.key
	if c.masks() {
		op, err := f.decide(c)
		if err != nil {
			return err
		}
		f.Masks = f.act == actConstant || f.act == actValue
		f.locus = strings.Join(path, ".")
		if len(c.Columns) > 0 && len(path) == 1 {
			f.locus = c.Columns[0]
		}
		f.count = b.count(c, path, op)
		if f.detector != nil {
			f.count.Detector, f.count.DetectorVersion = f.detector.Name(), f.detector.Version()
		}
	}
	if f.looks() {
		f.leaf = len(b.leaves)
		b.leaves = append(b.leaves, f)
	}
	return nil
}
