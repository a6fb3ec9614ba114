package config

import (
	"slices"

	"github.com/ctmpl/ctmpl/internal/conf"
)

// Layer is what blocks at one level say of a T: their keys are decoded over those of
// the levels around it.
type Layer[T named] struct {
	blocks []conf.Value // one of each file
}

// named tells how the block is called in errors.
type named interface{ blockName() string }

// On tells whether there is a block.
func (l Layer[T]) On() bool { return len(l.blocks) > 0 }

// UnmarshalConf keeps a block that can be read.
func (l *Layer[T]) UnmarshalConf(v conf.Value) error {
	if v.IsList() && len(v.List) == 0 {
		return nil
	}
	var scratch T
	if err := (&conf.Decoder{}).Decode(v, &scratch, scratch.blockName()); err != nil {
		return err
	}
	l.blocks = append(slices.Clip(l.blocks), v)
	return nil
}

// over decodes the blocks over what is there.
func (l Layer[T]) over(dst *T) {
	for _, v := range l.blocks {
		_ = (&conf.Decoder{}).Decode(v, dst, "") // has been read before without an error
	}
}
