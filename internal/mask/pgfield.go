// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"encoding/binary"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// pgAction is what happens to the values of a column.
type pgAction uint8

const (
	actPass     pgAction = iota // they go as they are
	actKeep                     // the same, but they are counted: an operator keeps them
	actConstant                 // all become one
	actValue                    // each becomes what its value says
)

// pgField is what the row loop needs of a column. It is not written after it was
// made.
type pgField struct {
	act pgAction
	// repl is the whole field as a DataRow and a binary COPY row hold it: the
	// length word and the value, or the length -1 for NULL. For actValue it stands
	// for the values for which there is no answer.
	repl     []byte
	scalar   pgScalar // for actValue: the type, or that of an array's elements
	array    bool
	detector Detector
	patient  bool        // values are the key for date_shift
	key      bool        // values are keys of patients for the record
	known    scan.Entity // values feed the known values
	row      int         // which of the rows that were joined the column is of
	oid      uint32
	binary   bool
	locus    string
	count    Count // without the numbers
}

// pgNull is the length word of a NULL.
const pgNull = 0xFFFFFFFF

// collects reports whether the field's values tell something about other fields
// of the row.
func (f *pgField) collects() bool { return f.patient || f.known != scan.None }

// maskText returns the value of a masked field, without the length word that
// stands before it.
func (f *pgField) maskText() []byte { return f.repl[4:] }

// isNull reports whether the constant of the field is NULL.
func (f *pgField) isNull() bool { return binary.BigEndian.Uint32(f.repl) == pgNull }

// pgFieldOf decides what happens to a column.
func pgFieldOf(output int, c PGColumn, profile string) pgField {
	f := pgField{patient: c.Patient, key: c.Key, known: c.Known, oid: c.TypeOID, binary: c.Binary}
	if !c.masks() {
		return f
	}
	elem := pgElement(c.TypeOID)
	f.array = elem != 0
	f.scalar = pgScalarOf(c)
	if f.array {
		one := c
		one.TypeOID = elem
		f.scalar = pgScalarOf(one)
	}
	value, op := pgConstant(c)
	f.repl = binary.BigEndian.AppendUint32(nil, pgNull)
	if op != OpNull {
		f.repl = append(binary.BigEndian.AppendUint32(nil, uint32(len(value))), value...)
	}
	f.act, op = f.decide(c, op)
	if len(c.Columns) > 0 {
		f.locus = c.Columns[0]
	}
	f.count = Count{
		Output: output, Columns: c.Columns, Labels: c.Labels, Reason: c.Reason,
		Operator: op, Profile: profile, ProfileVersion: c.ProfileVersion,
	}
	if f.detector != nil {
		f.count.Detector, f.count.DetectorVersion = f.detector.Name(), f.detector.Version()
	}
	return f
}

// decide returns the action for a masked column and the operator's name for the
// counts. constant names the operator of the column's constant.
func (f *pgField) decide(c PGColumn, constant string) (pgAction, string) {
	if c.Detector != nil {
		// Whoever asks for a detector says that a scanner alone is not enough: where
		// the detector cannot look, all of the value is masked.
		if f.array || c.Text == nil || c.Format != nil || !isText(c.TypeOID) {
			return actConstant, constant
		}
		f.detector = c.Detector
		return actValue, OpScan
	}
	if f.scalar.scans {
		return actValue, OpScan
	}
	kind := operator.Redact
	if c.Operator != nil {
		kind = c.Operator.Kind()
	}
	switch {
	case kind == operator.Keep:
		return actKeep, kind.String()
	case f.scalar.mask == nil || depends(kind) == dependsNot:
		return actConstant, constant
	case depends(kind) == dependsForm && !f.array:
		return actConstant, constant
	}
	return actValue, kind.String()
}

// dependence is what of a value an operator's result depends on.
type dependence uint8

const (
	dependsNot   dependence = iota // on nothing
	dependsForm                    // on the shape of an array alone
	dependsValue                   // on the value
)

func depends(k operator.Kind) dependence {
	switch {
	case k == operator.Const:
		return dependsForm
	case k == operator.Keep || !k.Reveals():
		return dependsNot
	}
	return dependsValue
}

// pgConstant returns the value that stands for any value of column c in its
// format, and the operator that made it. With OpNull there is no value.
func pgConstant(c PGColumn) (value []byte, op string) {
	value, op = pgMaskValue(c)
	if c.Operator == nil {
		return value, op
	}
	array := pgElement(c.TypeOID) != 0
	switch kind := c.Operator.Kind(); kind {
	case operator.Null, operator.Drop:
		return nil, OpNull
	case operator.Default:
		if isText(c.TypeOID) {
			return []byte{}, OpDefault
		}
	case operator.Redact:
		if !isText(c.TypeOID) {
			break
		}
		// A placeholder of the operator's own does not depend on the text.
		if out, ok := c.Operator.Text(nil, []byte("x"), &operator.Row{}); ok {
			return cutText(out, c.Typmod), OpRedact
		}
	case operator.Const:
		t := pgScalar{oid: c.TypeOID, typmod: c.Typmod, binary: c.Binary, op: c.Operator}
		mask := pgOperatorMask(c.TypeOID)
		if array || mask == nil || op == OpNull {
			break
		}
		// Nor does a constant; the type's own serves as the value.
		if out, o := mask(&t, &pgWork{}, nil, value); o == answered {
			return out, kind.String()
		}
	}
	return value, op
}

// isText reports whether values of the type are any text.
func isText(oid uint32) bool {
	switch oid {
	case oidText, oidVarchar, oidBpchar, oidUnknown, oidName:
		return true
	}
	return false
}
