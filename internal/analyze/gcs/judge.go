// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// judge says what a call does. why is set for one that can never pass.
func (l *Layout) judge(c *Call, m method, resource sallyport.ResourceID, r Request) (why, hint string) {
	c.ID = m.id
	b, err := readBody(m.id, r.Body)
	if err != "" {
		return err, "send the members that the JSON API's reference has, each once"
	}
	if why := c.name(m, b, r); why != "" {
		return why, "name the object in one place"
	}
	for i, bucket := range []string{c.Bucket, c.ToBucket} {
		if bucket == "" && (i > 0 && !strings.Contains(m.path, "{toBucket}") || i == 0 && m.on == onProject) {
			continue
		}
		if !bucketName(bucket) {
			return "the bucket has a name that none can have", plainly
		}
		if _, known := l.buckets[bucket]; l.only && !known {
			return "the resource has no bucket of this name", askGuard
		}
	}
	for _, object := range append([]string{c.Object, c.ToObject}, c.Sources...) {
		if len(object) > maxName || strings.Trim(object, ".") == "" && object != "" {
			return "the object has a name that none can have", plainly
		}
	}
	j := &judgement{l: l, c: c, m: m, st: c.Statement, resource: string(resource)}
	j.st.Class = "storage." + m.id
	j.st.Readable = j.st.Class
	j.subject(b)
	for name := range c.Params {
		if treatmentOf(name) == ruling {
			j.also(sallyport.Administer)
		}
	}
	return "", ""
}

// name finds the names that stand in parameters and bodies.
func (c *Call) name(m method, b body, r Request) (why string) {
	switch m.id {
	case "objects.insert":
		if c.UploadID != "" {
			c.Object = r.GoesOn
		}
		if c.Surface == XML || c.UploadID != "" {
			break
		}
		inQuery := take(c.Params, "name")
		if inQuery != "" && b.name != "" && inQuery != b.name {
			return "the upload has two names"
		}
		c.Object = inQuery + strings.Repeat(b.name, btoi(inQuery == ""))
		if c.Object == "" {
			return "the upload has no name"
		}
		c.Params.Set("name", c.Object)
	case "buckets.insert":
		if c.Bucket = b.name; b.name == "" {
			return "the new bucket has no name"
		}
	case "objects.compose":
		if c.Sources = b.sources; len(b.sources) == 0 {
			return "nothing is composed"
		}
		c.ToBucket, c.ToObject = c.Bucket, c.Object
	}
	if m.on == onObject && c.UploadID == "" {
		bucket, object := c.Bucket, c.Object
		if c.ToObject != "" {
			bucket, object = c.ToBucket, c.ToObject
		}
		if b.bucket != "" && b.bucket != bucket || b.name != "" && b.name != object {
			return "the body names another object than the address"
		}
	}
	if m.on == onObject && c.Object == "" || strings.Contains(m.path, "{toObject}") && c.ToObject == "" {
		return "the object has no name"
	}
	return ""
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// judgement fills a statement.
type judgement struct {
	l        *Layout
	c        *Call
	m        method
	st       *sallyport.Statement
	resource string
	on       []sallyport.Access // what further effects are on
}

// subject writes down what the method acts on.
func (j *judgement) subject(b body) {
	c := j.c
	switch {
	case c.ID == "objects.compose":
		to := j.l.object(c.Bucket, c.Object)
		for _, s := range c.Sources {
			from := j.l.object(c.Bucket, s)
			j.access(sallyport.Read, from)
			j.flow(from, to)
		}
		j.access(sallyport.Write, to)
		j.answers(to)
		j.st.Readable += " " + to.Name()
	case c.ToObject != "":
		from, to := j.l.object(c.Bucket, c.Object), j.l.object(c.ToBucket, c.ToObject)
		j.access(sallyport.Read, from)
		if c.ID == "objects.move" {
			j.access(sallyport.Delete, from)
		}
		j.access(sallyport.Write, to)
		j.flow(from, to)
		j.answers(to)
		j.st.Readable += " " + from.Name() + " to " + to.Name()
	case j.m.on == onObject:
		at := j.l.object(c.Bucket, c.Object)
		j.access(j.m.effect, at)
		if c.ID != "objects.insert" && c.ID != "objects.delete" {
			j.answers(at)
		}
		j.st.Readable += " " + at.Name()
	case j.m.on == onBucket || c.ID == "buckets.insert":
		j.access(j.m.effect, j.bucket())
		if c.ID == "objects.list" {
			j.answers(j.l.listed(c.Bucket, c.Params.Get("prefix"))...)
		}
		j.st.Readable += " " + c.Bucket
	default:
		o := sallyport.Object{Kind: "resource", Path: []string{j.resource}}
		j.st.Accesses = append(j.st.Accesses, sallyport.Access{Effect: j.m.effect, Object: o})
		j.effect(j.m.effect)
		j.on = j.st.Accesses
	}
	for _, e := range b.effects {
		j.also(e)
	}
}

// bucket is the place of a bucket as a whole, with every label that is in it.
func (j *judgement) bucket() Place {
	b := j.l.buckets[j.c.Bucket]
	labels := slices.Clone(b.Labels)
	for _, p := range b.Prefixes {
		for _, label := range p.Labels {
			if !slices.Contains(labels, label) {
				labels = append(labels, label)
			}
		}
	}
	return Place{[]string{j.c.Bucket}, labels}
}

func (j *judgement) effect(e sallyport.Effect) {
	if !slices.Contains(j.st.Effects, e) {
		j.st.Effects = append(j.st.Effects, e)
	}
}

func (j *judgement) column(p Place) sallyport.Column {
	return sallyport.Column{Object: sallyport.Object{Kind: KindBody, Path: append(append([]string{j.resource}, p.Path...), "body")}, Labels: p.Labels}
}

func (j *judgement) access(e sallyport.Effect, p Place) {
	a := sallyport.Access{
		Effect: e, Object: sallyport.Object{Kind: KindPath, Path: append([]string{j.resource}, p.Path...)}, Columns: []sallyport.Column{j.column(p)},
	}
	j.st.Accesses = append(j.st.Accesses, a)
	j.effect(e)
	if e != sallyport.Read || len(j.on) == 0 {
		j.on = []sallyport.Access{a} // the last one is what is written
	}
}

// also says that the call has a further effect on what it writes.
func (j *judgement) also(e sallyport.Effect) {
	if slices.Contains(j.st.Effects, e) {
		return
	}
	for _, a := range j.on {
		a.Effect = e
		j.st.Accesses = append(j.st.Accesses, a)
	}
	j.effect(e)
}

func (j *judgement) answers(places ...Place) {
	for _, p := range places {
		j.st.Outputs = append(j.st.Outputs, sallyport.Output{Direct: true, Sources: []sallyport.Column{j.column(p)}})
		j.c.Places = append(j.c.Places, p)
	}
}

// flow says that content of one place comes to lie in another.
func (j *judgement) flow(from, to Place) {
	j.st.Flows = append(j.st.Flows, sallyport.Flow{Target: j.column(to), Sources: []sallyport.Column{j.column(from)}})
}
