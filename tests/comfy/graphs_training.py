"""Models and data sets that other nodes changed, before training."""

from pathlib import Path

from graph_world import check, refused


@check
def case_17_and_18_a_model_that_core_saved(world):
    import folder_paths

    world.case("17a")
    folder = Path(folder_paths.get_output_directory())
    folder_paths.add_model_folder_path("diffusion_models", str(folder))
    name = "nometa_00001_.safetensors"
    for preset in ("from the file", "mini"):
        model = world.run("JoVALoadModel", checkpoint=name, preset=preset)[0]
        world.run("JoVALoadTextEncoder", model=model)
    words = ("Got the preset mini_ablation", "expected mini")
    wrong = {"checkpoint": name, "preset": "mini_ablation"}
    refused(lambda: world.run("JoVALoadModel", **wrong), *words)
    (done,) = world.case("17b", model={"checkpoint": name})["train"][2:3]
    assert done == 2


@check
def a_file_without_any_metadata_trains_on_the_bundled_words(world):
    import folder_paths
    from safetensors.torch import load_file, save_file

    world.run("ModelSave", model=world.model, filename_prefix="bare")
    folder = Path(folder_paths.get_output_directory())
    folder_paths.add_model_folder_path("diffusion_models", str(folder))
    tensors = load_file(folder / "bare_00001_.safetensors")
    tensors.pop("jova.about")
    save_file(tensors, folder / "bare.safetensors")
    given = {"checkpoint": "bare.safetensors"}
    refused(lambda: world.run("JoVALoadModel", **given), "lost its metadata", "mini")
    wrong = {**given, "preset": "mini_ablation"}
    refused(lambda: world.run("JoVALoadModel", **wrong), "Got the preset mini_ablation")
    bare = {**given, "preset": "mini"}
    names = {"set": {"name": "bare"}, "train": {"name": "bare"}}
    assert world.case("17b", model=bare, **names)["train"][2] == 2


@check
def case_19_a_bypassed_lora_before_training_is_refused(world):
    import folder_paths

    folder_paths.add_model_folder_path("loras", str(world.cases))
    refused(lambda: world.case("19"), "LoRA", "Load JoVA Model")


@check
def other_changes_before_training_are_refused(world):
    data = world.case("19", train={"model": ["model", 0]})["set"][0]
    run = world.run
    other = run("ModelSamplingSD3", model=world.model, shift=5.0)[0]
    merged = run("ModelMergeSimple", model1=world.model, model2=world.model, ratio=0.5)[0]
    rescaled = run("RescaleCFG", model=world.model, multiplier=0.5)[0]
    for model in (other, merged, rescaled):
        train = {"model": model, "dataset": data, "name": "other", "steps": 1, "batch": 1}
        refused(lambda t=train: run("JoVATrainLoRA", **t), "Load JoVA Model")


@check
def case_20_rules_decide_what_is_kept(world):
    refused_first = world.case("20a")["set"][1]
    assert "less than 3 s" in refused_first
    assert "less than 3 s" not in world.case("20b")["set"][1]


@check
def a_deleted_data_set_is_made_again(world):
    import shutil

    node = world.run.classes["JoVAEncodeDataset"]
    inputs = {"model": world.model, "source": "sample clips (bundled)", "name": "deleted"}
    rules = {"codecs": "jova-mini (bundled)", "min_seconds": 1.0, "max_seconds": 4.0}
    state = {"source": inputs["source"], "name": inputs["name"], **rules, "min_face_share": 0.5}
    folder = Path(world.run("JoVAEncodeDataset", **inputs, **rules, min_face_share=0.5)[0])
    kept = node.fingerprint_inputs(**state)
    assert node.fingerprint_inputs(**state) == kept
    shutil.rmtree(folder)
    assert node.fingerprint_inputs(**state) != kept
    assert node.fingerprint_inputs(**state) != node.fingerprint_inputs(**state)
