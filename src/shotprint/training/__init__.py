"""From a pack to a network: recipe, batches, augmentation, the Lightning module, fit, crossval.

`recipe` needs only the standard library until a recipe is read; everything else needs torch.
"""
