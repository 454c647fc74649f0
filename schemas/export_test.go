package schemas

import "maps"

// Learn makes the codec read single-object records that were written with the schema in text, an Avro record of one of
// our names.
func (c *Codec) Learn(text string) error {
	rec, err := parseRecord(text)
	if err != nil {
		return err
	}
	w := c.writerOf(rec)
	if w.err != nil {
		return w.err
	}
	f := fingerprintOf(rec)
	c.learning.Lock()
	defer c.learning.Unlock()
	known := maps.Clone(*c.byFingerprint.Load())
	if known[f] == nil {
		known[f] = w
		c.byFingerprint.Store(&known)
	}
	return nil
}
