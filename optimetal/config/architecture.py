"""Settings of the networks; the defaults are the best published choices.

Numbers without a unit are counts. One width, ``hidden_dim``, is shared by atoms, edges and angles.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from optimetal.config.base import Settings

Activation = Literal[
    "relu",
    "leakyrelu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "sigmoid",
    "tanh",
]


class AtomEmbedding(Settings):
    """One learned vector per element, Z = 1 to 83."""

    type: Literal["atom"] = "atom"
    embedding_dim: PositiveInt = Field(default=64, description="Length of each vector.")


class GroupPeriodEmbedding(Settings):
    """Group (18) and period (6) of the element, one-hot; lanthanides count as group 3."""

    type: Literal["group_period"] = "group_period"


NodeEmbedding = Annotated[AtomEmbedding | GroupPeriodEmbedding, Field(discriminator="type")]


class GaussianEmbedding(Settings):
    """Edge lengths as Gaussians whose centres are spread evenly from 0 to the cutoff."""

    type: Literal["gaussian"] = "gaussian"
    num_basis: int = Field(default=32, ge=2, description="Number of Gaussians.")
    basis_width: PositiveFloat = Field(
        default=4.0, description="Standard deviation in units of the spacing of the centres."
    )
    envelope_exponent: PositiveInt | None = Field(
        default=4,
        description="Exponent of the polynomial that ends at the cutoff; none: no envelope.",
    )


class BesselEmbedding(Settings):
    """Edge lengths as spherical Bessel functions of order 0 with a node at the cutoff."""

    type: Literal["bessel"] = "bessel"
    num_basis: PositiveInt = Field(default=32, description="Number of functions.")
    trainable: bool = Field(default=False, description="Whether the wave numbers are learned.")
    envelope_exponent: PositiveInt | None = Field(
        default=4,
        description="Exponent of the polynomial that ends at the cutoff; none: no envelope.",
    )


EdgeEmbedding = Annotated[GaussianEmbedding | BesselEmbedding, Field(discriminator="type")]


class AngleEmbedding(Settings):
    """Angles as spherical harmonics of cos θ with m = 0."""

    l_max: int = Field(default=3, ge=0, le=4, description="Highest degree l.")


class CGConv(Settings):
    """Crystal-graph convolution: gated sum over the neighbours."""

    type: Literal["cgconv"] = "cgconv"
    hidden_multiplier: PositiveInt = Field(
        default=6, description="Hidden width of the residual MLP in units of hidden_dim."
    )


class GATv2(Settings):
    """Graph attention of Brody et al. with a linear skip connection."""

    type: Literal["gatv2"] = "gatv2"
    heads: PositiveInt = Field(default=4, description="Attention heads; they share hidden_dim.")
    hidden_multiplier: PositiveInt = Field(
        default=6, description="Hidden width of the residual MLP in units of hidden_dim."
    )


class Transformer(Settings):
    """Dot-product attention over the neighbours with a learned gate to the skip connection."""

    type: Literal["transformer"] = "transformer"
    heads: PositiveInt = Field(default=2, description="Attention heads; they share hidden_dim.")
    hidden_multiplier: PositiveInt = Field(
        default=6, description="Hidden width of the residual MLP in units of hidden_dim."
    )


Convolution = Annotated[CGConv | GATv2 | Transformer, Field(discriminator="type")]
"""One message-passing layer, as used in each triplet layer of a three-body network."""


class CGConvLayers(CGConv):
    """A stack of crystal-graph convolutions."""

    num_layers: PositiveInt = Field(default=2, description="Message-passing layers.")


class GATv2Layers(GATv2):
    """A stack of graph attentions."""

    num_layers: PositiveInt = Field(default=2, description="Message-passing layers.")


class TransformerLayers(Transformer):
    """A stack of dot-product attentions."""

    num_layers: PositiveInt = Field(default=2, description="Message-passing layers.")


MessagePassing = Annotated[
    CGConvLayers | GATv2Layers | TransformerLayers, Field(discriminator="type")
]


class PlainGATv2Layers(Settings):
    """Graph attentions one after the other, with neither activation nor MLP in between."""

    type: Literal["gatv2"] = "gatv2"
    heads: PositiveInt = Field(default=4, description="Attention heads; they share hidden_dim.")
    num_layers: PositiveInt = Field(default=2, description="Message-passing layers.")


class MeanPooling(Settings):
    """Mean over the atoms of a crystal."""

    type: Literal["mean"] = "mean"


class ScalarAttentionPooling(Settings):
    """Mean over the atoms with one learned weight per atom."""

    type: Literal["scalar_attention"] = "scalar_attention"


class VectorAttentionPooling(Settings):
    """Mean over the atoms with one learned weight per atom and channel."""

    type: Literal["vector_attention"] = "vector_attention"


class Set2SetPooling(Settings):
    """Repeated attention steered by an LSTM (Vinyals et al., arXiv 1511.06391)."""

    type: Literal["set2set"] = "set2set"
    processing_steps: PositiveInt = Field(default=3, description="Attention steps.")


Pooling = Annotated[
    MeanPooling | ScalarAttentionPooling | VectorAttentionPooling | Set2SetPooling,
    Field(discriminator="type"),
]


class _OptiMetal(Settings):
    """What all OptiMetal networks share."""

    hidden_dim: PositiveInt = Field(
        default=256, description="Width of atom, edge and angle features."
    )
    spectra_dim: PositiveInt = Field(
        default=None,
        validate_default=True,
        description="Hidden width of the head for spectra; none: 4 hidden_dim.",
    )
    depth: PositiveInt = Field(
        default=2, description="Hidden layers of every embedding MLP and head."
    )
    activation: Activation = Field(default="relu", description="Activation of all MLPs.")
    cutoff: PositiveFloat = Field(default=5.5, description="Longest edge in Å.")
    node_embedding: NodeEmbedding = Field(
        default=GroupPeriodEmbedding(), description="First features of an atom."
    )
    edge_embedding: EdgeEmbedding = Field(
        default=GaussianEmbedding(), description="First features of an edge."
    )
    pooling: Pooling = Field(
        default=VectorAttentionPooling(), description="From atoms to the crystal."
    )

    @field_validator("spectra_dim", mode="before")
    @classmethod
    def _four_times_hidden_dim(cls, value: object, info) -> object:
        # hidden_dim is absent where it was itself refused; its own message is enough then
        return 4 * info.data.get("hidden_dim", 1) if value is None else value

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        for section in (getattr(self, name) for name in type(self).model_fields):
            heads = getattr(section, "heads", 1)
            if self.hidden_dim % heads:
                raise ValueError(
                    f"`hidden_dim` must be divisible by `heads`, got {self.hidden_dim} and {heads}"
                )
        return self


class _TwoBody:
    """Networks that see edges only."""

    @property
    def triplet_cutoff(self) -> None:
        """No three-body pairs are needed."""
        return None


class OptiMate(_TwoBody, Settings):
    """The older network for Im ε alone, all sizes fixed (Phys. Rev. Materials 8, L122201)."""

    type: Literal["optimate"] = "optimate"
    cutoff: PositiveFloat = Field(default=5.5, description="Longest edge in Å.")


class OptiMetal2B(_TwoBody, _OptiMetal):
    """Message passing along edges, each layer followed by a residual MLP and a norm."""

    type: Literal["optimetal_2b"] = "optimetal_2b"
    message_passing: MessagePassing = Field(
        default=TransformerLayers(), description="Layers along the edges."
    )


class OptiMetal2BNoResidual(_TwoBody, _OptiMetal):
    """Message-passing layers alone, to measure what residual MLP and norm are worth."""

    type: Literal["optimetal_2b_no_residual"] = "optimetal_2b_no_residual"
    message_passing: PlainGATv2Layers = Field(
        default=PlainGATv2Layers(), description="Layers along the edges."
    )


class OptiMetal3B(_OptiMetal):
    """Message passing between edges that share an atom, then along the edges, in each layer."""

    type: Literal["optimetal_3b"] = "optimetal_3b"
    triplet_cutoff: PositiveFloat = Field(
        default=4.0, description="Longest edge in Å that takes part in a three-body pair."
    )
    angle_embedding: AngleEmbedding = Field(
        default=AngleEmbedding(), description="First features of a three-body pair."
    )
    num_layers: PositiveInt = Field(default=2, description="Triplet layers.")
    edge_message_passing: Convolution = Field(
        default=Transformer(heads=8), description="Between the edges, along the three-body pairs."
    )
    node_message_passing: Convolution = Field(
        default=Transformer(heads=8), description="Between the atoms, along the edges."
    )

    @model_validator(mode="after")
    def _triplets_within_cutoff(self) -> Self:
        if self.triplet_cutoff > self.cutoff:
            raise ValueError(
                "`triplet_cutoff` must not exceed `cutoff`, as pairs are made of edges; got "
                f"{self.triplet_cutoff} Å and {self.cutoff} Å"
            )
        return self


Architecture = Annotated[
    OptiMate | OptiMetal2B | OptiMetal2BNoResidual | OptiMetal3B, Field(discriminator="type")
]
"""Settings of any network; all have ``cutoff`` and ``triplet_cutoff`` (Å; None: no pairs)."""
